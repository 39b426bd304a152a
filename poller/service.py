"""The daemon: every controller on its schedule, every sink drained as soon as there is something.

The scheduler keeps its jobs in memory: the watermark makes a missed tick harmless.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from poller import backoff
from poller.cycle import poll
from poller.delivery import FIRST_WAIT, LONGEST_WAIT, drain
from poller.errors import LedgerError
from poller.heal import heal
from poller.ledger import Queued
from poller.notify import Notify
from poller.schedule import start_gap, trigger
from poller.service_log import log_cycle, log_drain, log_healed
from poller.sinks import Sink
from poller.status.metrics import Metrics
from poller.vitals import Vitals, patience
from poller.watched import Watched
from poller.wiring import Line

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

COUNTS_KEPT_MS = 35 * 86_400_000
"""How long the ledger keeps its counts by day and hour: the status page shows a week of them."""

Work: TypeAlias = Callable[[Watched], Coroutine[Any, Any, None]]


class Service:
    """Runs until :meth:`stop`. ``clock`` gives epoch milliseconds, ``notify`` tells systemd."""

    def __init__(
        self,
        line: Line,
        clock: Callable[[], int],
        metrics: Metrics,
        notify: Notify | None = None,
    ) -> None:
        self._line = line
        self._notify = notify or Notify({})
        self._vitals = Vitals(self._notify, time.monotonic)
        self._problems: dict[str, frozenset[str]] = {}
        self._controllers = {one.name: one for one in line.settings.controllers}
        self._patience = {
            one.name: patience(one.timeout, one.request_rate) for one in line.settings.controllers
        }
        self._clock = clock
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._reloading = False
        self._news = {sink.name: asyncio.Event() for sink in line.sinks}
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
        scheduler = self._schedule()
        scheduler.start()
        self._notify.ready()
        drains = [asyncio.create_task(self._deliver(sink)) for sink in self._line.sinks]
        keeper = asyncio.create_task(self._keep_house())
        for task in (*drains, keeper):
            task.add_done_callback(self._ended)
        try:
            await self._stopping.wait()
            self._log.info("stopping", polls=len(self._polls))
            if not self._reloading:
                self._notify.stopping(self.stop_seconds)
            for job in scheduler.get_jobs():
                if job.id != FEED:
                    job.remove()
            await asyncio.gather(
                end(self._polls, POLL_STOP_SECONDS), end(drains, self.stop_seconds)
            )
        finally:
            keeper.cancel()
            scheduler.shutdown(wait=False)
            await asyncio.gather(keeper, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
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

    def _schedule(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(timezone="UTC")
        if self._notify.watchdog is not None:
            scheduler.add_job(
                self._vitals.feed,
                IntervalTrigger(seconds=self._notify.watchdog / FEEDS),
                id=FEED,
                next_run_time=datetime.fromtimestamp(self._clock() / 1000, UTC),
                coalesce=True,
                misfire_grace_time=None,
            )
        now, gap = self._clock() / 1000, start_gap(self._line.settings.controllers)
        places = len(self._line.watched)
        for place, watched in enumerate(self._line.watched):
            scheduler.add_job(
                self._tick,
                trigger(self._controllers[watched.name], now, place, places),
                args=[self._poll, watched],
                id=watched.name,
                next_run_time=datetime.fromtimestamp(now + place * gap, UTC),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
            if self._line.settings.reconcile.enabled:
                every = self._line.settings.reconcile.every / 1000
                share = (place + 1) / places
                scheduler.add_job(
                    self._tick,
                    IntervalTrigger(seconds=every),
                    args=[self._heal, watched],
                    id=f"{HEAL}{watched.name}",
                    next_run_time=datetime.fromtimestamp(now + share * every, UTC),
                    coalesce=True,
                    max_instances=1,
                    misfire_grace_time=None,
                )
        scheduler.add_listener(
            self._on_event, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR
        )
        return scheduler

    def _on_event(self, event: JobExecutionEvent) -> None:
        if event.code == EVENT_JOB_ERROR:
            self._log.error("poll failed", controller=event.job_id, error=repr(event.exception))
        else:
            self._log.warning(
                "poll left out", controller=event.job_id, why="the one before still runs"
            )

    async def _tick(self, work: Work, watched: Watched) -> None:
        # A task of our own: the scheduler cancels its jobs on shutdown, and a poll may finish.
        task = asyncio.create_task(work(watched))
        self._polls.add(task)
        try:
            await asyncio.shield(task)
        finally:
            self._polls.discard(task)

    async def _poll(self, watched: Watched) -> None:
        started, api = self._clock(), watched.api
        waits = self._patience[watched.name]
        try:
            with self._vitals.doing(f"polling {watched.name}", waits, lambda: api.requests):
                cycle = await poll(
                    watched,
                    self._line.ledger,
                    self._line.sink_names,
                    self._clock,
                    on_collected=self._wake,
                    stopping=self._stopping.is_set,
                )
        except LedgerError as failure:
            self._fail(failure)
            return
        took = self._clock() - started
        self._metrics.polled(cycle, took / 1000)
        self._vitals.trouble(watched.name, str(cycle.error or ""))
        known = self._problems.get(cycle.controller, frozenset())
        self._problems[cycle.controller] = frozenset(cycle.problems)
        log_cycle(self._log, cycle, took, known)

    async def _heal(self, watched: Watched) -> None:
        """Compare a few jobs with Jenkins, build by build."""
        line = self._line
        try:
            with self._vitals.doing(
                f"comparing {watched.name}",
                self._patience[watched.name],
                lambda: watched.api.requests,
            ):
                healed = await heal(
                    watched,
                    line.ledger,
                    line.settings.reconcile.jobs,
                    line.sink_names,
                    self._clock,
                    self._stopping.is_set,
                )
        except LedgerError as failure:
            self._fail(failure)
            return
        log_healed(self._log, watched.name, healed)
        self._wake(healed.collected)

    def _fail(self, failure: BaseException) -> None:
        """Without its ledger the service can do nothing: systemd starts it anew, later."""
        self._failure = failure
        self.stop()

    def _wake(self, _collected: int) -> None:
        for event in self._news.values():
            event.set()

    async def _deliver(self, sink: Sink) -> None:
        """Drain the sink whenever there is something, and after a failure when the wait is over."""
        news, failures, settled = self._news[sink.name], 0, 0
        waits = self._waits(sink.name)

        def on_settled(delivery: Queued, outcome: str) -> None:
            nonlocal settled
            settled += 1
            self._metrics.settled(sink.name, delivery, outcome, self._clock())

        while not self._stopping.is_set():
            news.clear()
            try:
                with self._vitals.doing(f"delivering to {sink.name}", waits, lambda: settled):
                    done = await drain(
                        sink,
                        self._line.ledger,
                        self._clock,
                        on_settled=on_settled,
                        stopping=self._stopping.is_set,
                    )
            except LedgerError as failure:
                self._fail(failure)
                return
            self._metrics.drained(sink.name, done)
            log_drain(self._log, sink.name, done)
            self._vitals.trouble(sink.name, done.stopped or done.last_failure)
            failures = 0 if done.clean or done.delivered else failures + 1
            if done.clean:
                # A backfill or a retry beside us fills the queue without our hearing of it.
                await self._sleep(LOOK_SECONDS, news)
            else:
                jitter = random.random()  # noqa: S311 - spreads load, guards nothing
                wait = backoff.delay(
                    failures + 1, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter
                )
                await self._sleep(max(wait, done.retry_after or 0), None)

    def _waits(self, sink: str) -> float:
        """How long one delivery may take before the watchdog is to worry."""
        sei, harness = self._line.settings.sei, self._line.settings.harness
        if sink == "iacm" and harness is not None:
            return patience(harness.timeout, None)
        return patience(*((sei.timeout, sei.request_rate) if sei else (NO_TIMEOUT_MS, None)))

    async def _sleep(self, seconds: float | None, news: asyncio.Event | None) -> None:
        """Until ``seconds`` have passed, there is news, or the service stops."""
        waits = [asyncio.create_task(self._stopping.wait())]
        if news is not None:
            waits.append(asyncio.create_task(news.wait()))
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _keep_house(self) -> None:
        while True:
            keep = self._line.settings.ledger
            try:
                self._line.ledger.outbox.forget_payloads(self._clock() - keep.keep_payloads)
                self._line.ledger.logs.forget(self._clock() - keep.keep_logs)
                self._line.ledger.history.forget(self._clock() - COUNTS_KEPT_MS)
            except LedgerError as failure:
                self._fail(failure)
                return
            await asyncio.sleep(HOUSEKEEPING_SECONDS)


async def end(tasks: Iterable[asyncio.Task[None]], seconds: float) -> None:
    """Wait so long for the tasks to end, then cancel them."""
    if pending := set(tasks):
        _, late = await asyncio.wait(pending, timeout=seconds)
        for task in late:
            # Cancelled at an await, never inside a transaction: it is asked, or sent, again.
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
