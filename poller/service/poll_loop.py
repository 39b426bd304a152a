"""The daemon: every controller on its schedule, every sink drained as soon as there is something.

While the ledger can't be written, nothing is asked and nothing sent (``room``).
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import structlog

from poller.context import AppContext
from poller.core.errors import LedgerError, LedgerUnwritable
from poller.core.events import WakeOnCollected
from poller.core.tasks import end, first
from poller.core.times import backoff
from poller.delivery.outcome import FIRST_WAIT, LONGEST_WAIT
from poller.delivery.sender import run_pass
from poller.delivery.settlement import Settlement
from poller.delivery.sink import Sink
from poller.jenkins.request_limiter import LimiterState
from poller.ledger.outbox import QueuedDelivery
from poller.ledger.retention import apply_retention
from poller.polling.controller import Controller
from poller.polling.cycle import poll
from poller.polling.reconciliation import self_check
from poller.service.ledger_guard import LedgerGuard
from poller.service.log_events import log_limiter, log_pass, log_poll, log_self_check
from poller.service.scheduler import Scheduler, interval, start_gap, trigger
from poller.service.systemd import Systemd
from poller.service.watchdog import Watchdog, patience
from poller.status.metrics import Metrics

POLL_STOP_SECONDS = 20.0
"""How long a stop waits for polls; one that is cut off then is asked for again."""

STOP_MARGIN = 5.0
"""Seconds that a stop waits longer than SEI may take to answer: a run whose answer nobody waits
for is sent twice."""

NO_TIMEOUT_MS = 10_000
"""How long a sink may take that is no server."""

FEED, FEEDS = "the watchdog's food", 4
"""The scheduler's job that feeds the watchdog, and how often within the time that it allows."""

HOUSEKEEPING_SECONDS = 3600.0

LOOK_SECONDS = 5.0
"""How often the queue is looked at without news of our own."""

HEAL = "reconcile "
"""Before a controller's name: the scheduler's job that compares it with the ledger."""

Work: TypeAlias = Callable[[Controller], Coroutine[Any, Any, None]]


class Service:
    """Runs until :meth:`stop`. ``clock`` gives epoch milliseconds, ``notify`` tells systemd,
    ``before`` is the one that a reload ended, and what it could not record is taken over."""

    settling: defaultdict[str, Settlement]

    def __init__(
        self,
        line: AppContext,
        clock: Callable[[], int],
        metrics: Metrics,
        notify: Systemd | None = None,
        before: Service | None = None,
    ) -> None:
        self._line = line
        self._notify = notify or Systemd({})
        self._vitals = Watchdog(self._notify, time.monotonic)
        self._problems: dict[str, frozenset[str]] = {}
        self._patience = {
            one.name: patience(one.timeout, one.request_rate) for one in line.settings.controllers
        }
        self._clock = clock
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._reloading = False
        self._news = {sink.name: asyncio.Event() for sink in line.sinks}
        self._schedule = Scheduler(clock, time.monotonic)
        self._room = LedgerGuard(line.ledger, self._tell_room)
        self._left_out: set[str] = set()
        self.settling = defaultdict(Settlement) if before is None else before.settling
        self._polls: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()
        self._failure: BaseException | None = None

    def stop(self, *, reload: bool = False) -> None:
        """Take nothing new on and end when what is under way is done.

        On a ``reload`` the process goes on, and systemd is not told that it ends.
        """
        self._reloading = reload
        self._stopping.set()

    async def run(self) -> None:
        """Poll and deliver until stopped. Raises LedgerError when the ledger fails."""
        self._plan()
        self._schedule.start()
        self._notify.ready()
        drains = [asyncio.create_task(self._deliver(sink)) for sink in self._line.sinks]
        keepers = [
            asyncio.create_task(work)
            for work in (
                self._keep_house(),
                self._schedule.follow_clock(),
                self._room.look_after(self._go_on),
            )
        ]
        for task in (*drains, *keepers):
            task.add_done_callback(self._ended)
        try:
            await self._stopping.wait()
            self._log.info("stopping", polls=len(self._polls))
            if not self._reloading:
                self._notify.stopping(self.stop_seconds)
            self._schedule.keep_only(FEED)
            await asyncio.gather(
                end(self._polls, POLL_STOP_SECONDS), end(drains, self.stop_seconds)
            )
        finally:
            await end(keepers, 0)
            await self._schedule.aclose()
        if self._failure is not None:
            raise self._failure
        if self._reloading or self._all_settled():
            self._log.info("stopped", queued=self._line.ledger.outbox.count_queued())

    @property
    def stop_seconds(self) -> float:
        """The longest that a stop can take: SEI may answer as late as its timeout allows."""
        servers = (self._line.settings.sei, self._line.settings.harness)
        longest = max((one.timeout / 1000 for one in servers if one is not None), default=0.0)
        return max(POLL_STOP_SECONDS, longest) + STOP_MARGIN

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part of the service that ends by itself has failed; without it, the service has too."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _plan(self) -> None:
        if self._notify.watchdog is not None:
            self._schedule.add(FEED, interval(self._notify.watchdog / FEEDS), self._feed)
        reconcile = self._line.settings.reconcile
        every = reconcile.every / 1000
        controllers = {one.name: one for one in self._line.settings.controllers}
        now, gap = self._clock() / 1000, start_gap(self._line.settings.controllers)
        places = len(self._line.controllers)
        for place, watched in enumerate(self._line.controllers):
            name = watched.name
            when = trigger(controllers[name], now, place, places)
            self._schedule.add(name, when, self._tick, self._poll, watched, first=place * gap)
            if reconcile.enabled:
                self._schedule.add(
                    f"{HEAL}{name}", interval(every), self._tick, self._heal, watched,
                    first=(place + 1) / places * every,
                )  # fmt: skip

    async def _feed(self) -> None:
        self._vitals.feed()

    def _tell_room(self, why: str) -> None:
        self._vitals.trouble("ledger", why)
        self._metrics.unwritable = why

    def _lost(self, failure: LedgerError) -> None:
        """What can't be written now is tried again; with a broken ledger the service ends."""
        if isinstance(failure, LedgerUnwritable):
            self._room.lost(failure)
        else:
            self._fail(failure)

    def _go_on(self) -> None:
        """There is room again: what was left out is made up for."""
        for name in self._left_out:
            self._schedule.soon(name)
        self._left_out.clear()

    def _all_settled(self) -> bool:
        """Record what was kept for it; where that is not possible, say what will be sent again."""
        try:
            for one in self.settling.values():
                one.catch_up(self._line.ledger)
        except LedgerUnwritable as error:
            self._log.error(
                "stopped",
                problem=str(error),
                sent_but_not_recorded=sum(map(len, self.settling.values())),
                hint="they are sent once more, with the same execution_id",
            )
            return False
        return True

    async def _tick(self, work: Work, watched: Controller) -> None:
        if not self._room.there.is_set():
            self._left_out.add(watched.name)
            return
        # A task of our own: the scheduler cancels its jobs on shutdown, and a poll may finish.
        task = asyncio.create_task(work(watched))
        self._polls.add(task)
        try:
            await asyncio.shield(task)
        finally:
            self._polls.discard(task)

    async def _poll(self, watched: Controller) -> None:
        started, api = time.monotonic(), watched.client
        before = api.turns.manners
        waits = self._patience[watched.name]
        try:
            with self._vitals.doing(f"polling {watched.name}", waits, lambda: api.requests):
                waking = WakeOnCollected(watched.events, self._wake)
                controller = dataclasses.replace(watched, events=waking)
                cycle = await poll(controller, self._stopping.is_set)
        except LedgerError as failure:
            self._left_out.add(watched.name)
            self._lost(failure)
            return
        self._room.used()
        took = time.monotonic() - started
        self._metrics.polled(cycle, took)
        self._vitals.trouble(watched.name, str(cycle.error or ""))
        known = self._problems.get(cycle.controller, frozenset())
        self._problems[cycle.controller] = frozenset(cycle.problems)
        if before.breaker.closed or api.turns.breaker.closed:
            log_poll(self._log, cycle, int(took * 1000), known)
        self._mind(watched, before)

    def _mind(self, watched: Controller, before: LimiterState) -> None:
        """Tell how a controller is treated now. The next poll of one that is left alone is when it
        may be tried: it begins with one small request."""
        turns = watched.client.turns
        log_limiter(self._log, watched.name, before, turns.manners)
        self._metrics.at_once(watched.name, turns.throttle.limit)
        if turns.left_alone:
            self._schedule.soon(watched.name, turns.breaker.wait(self._clock(), turns.rules))

    async def _heal(self, watched: Controller) -> None:
        """Compare a few jobs with Jenkins, build by build."""
        line, before = self._line, watched.client.turns.manners
        try:
            with self._vitals.doing(
                f"comparing {watched.name}",
                self._patience[watched.name],
                lambda: watched.client.requests,
            ):
                healed = await self_check(
                    watched, line.settings.reconcile.jobs, self._stopping.is_set
                )
        except LedgerError as failure:
            self._lost(failure)
            return
        log_self_check(self._log, watched.name, healed)
        self._mind(watched, before)
        self._wake()

    def _fail(self, failure: BaseException) -> None:
        """Without its ledger the service can do nothing: systemd starts it anew, later."""
        self._failure = failure
        self.stop()

    def _wake(self) -> None:
        for event in self._news.values():
            event.set()

    async def _deliver(self, sink: Sink) -> None:
        """Drain the sink whenever there is something, and after a failure when the wait is over."""
        news, failures, settled = self._news[sink.name], 0, 0
        waits = self._waits(sink.name)

        def on_settled(delivery: QueuedDelivery, outcome: str) -> None:
            nonlocal settled
            settled += 1
            self._metrics.settled(sink.name, delivery, outcome, self._clock())

        while True:
            await first(self._stopping, self._room.there)
            if self._stopping.is_set():
                return
            news.clear()
            try:
                with self._vitals.doing(f"delivering to {sink.name}", waits, lambda: settled):
                    done = await run_pass(
                        sink,
                        self._line.ledger,
                        self._clock,
                        on_settled=on_settled,
                        stopping=self._stopping.is_set,
                        settling=self.settling[sink.name],
                    )
            except LedgerError as failure:
                self._lost(failure)
                continue
            self._metrics.drained(sink.name, done)
            log_pass(self._log, sink.name, done)
            self._vitals.trouble(sink.name, done.stopped or done.last_failure)
            failures = 0 if done.clean or done.delivered else failures + 1
            if done.clean:
                # A backfill or a retry beside us fills the queue without our hearing of it.
                await first(self._stopping, news, seconds=LOOK_SECONDS)
            elif not done.breaker.closed:
                await first(self._stopping, seconds=done.wait(self._clock()))
            else:
                jitter = random.random()  # noqa: S311 - spreads load, guards nothing
                wait = backoff(failures + 1, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter)
                await first(self._stopping, seconds=max(wait, done.retry_after or 0))

    def _waits(self, sink: str) -> float:
        """How long one delivery may take before the watchdog is to worry."""
        sei, harness = self._line.settings.sei, self._line.settings.harness
        if sink == "iacm" and harness is not None:
            return patience(harness.timeout, None)
        return patience(*((sei.timeout, sei.request_rate) if sei else (NO_TIMEOUT_MS, None)))

    async def _keep_house(self) -> None:
        while True:
            await self._room.there.wait()
            try:
                apply_retention(self._line.ledger, self._line.settings.ledger, self._clock())
            except LedgerError as failure:
                self._lost(failure)
                continue
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
