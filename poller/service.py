"""The daemon: every controller on its schedule, every sink drained as soon as there is something.

The scheduler keeps its jobs in memory: the watermark makes a missed tick harmless.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from poller import backoff
from poller.cycle import Cycle, poll
from poller.delivery import FIRST_WAIT, LONGEST_WAIT, Drain, drain
from poller.errors import LedgerError
from poller.ledger import Queued
from poller.settings import Controller
from poller.sinks import Sink
from poller.status.metrics import Metrics
from poller.watched import Watched
from poller.wiring import Line

STOP_SECONDS = 20.0
"""How long a stop waits for what is under way; the unit's TimeoutStopSec is longer."""

JITTER_SHARE = 0.1
"""Share of the interval by which a poll may be late, so that many pollers spread."""

HOUSEKEEPING_SECONDS = 3600.0

COUNTS_KEPT_MS = 35 * 86_400_000
"""How long the ledger keeps its counts by day and hour: the status page shows a week of them."""


class Service:
    """Runs until :meth:`stop`. ``clock`` gives epoch milliseconds."""

    def __init__(self, line: Line, clock: Callable[[], int], metrics: Metrics) -> None:
        self._line = line
        self._clock = clock
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._news = {sink.name: asyncio.Event() for sink in line.sinks}
        self._polls: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()
        self._failure: LedgerError | None = None

    def stop(self) -> None:
        """Take nothing new on and end when what is under way is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Poll and deliver until stopped. Raises LedgerError when the ledger fails."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        scheduler = self._schedule()
        scheduler.start()
        drains = [asyncio.create_task(self._deliver(sink)) for sink in self._line.sinks]
        keeper = asyncio.create_task(self._keep_house())
        try:
            await self._stopping.wait()
            self._log.info("stopping", polls=len(self._polls))
            scheduler.pause()
            pending = {*self._polls, *drains}
            if pending:
                _, late = await asyncio.wait(pending, timeout=STOP_SECONDS)
                for task in late:
                    # Cancelled at an await, never inside a transaction: it is asked again.
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
        finally:
            keeper.cancel()
            scheduler.shutdown(wait=False)
            await asyncio.gather(keeper, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        self._log.info("stopped", queued=self._line.ledger.outbox.count_queued())

    def _schedule(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(timezone="UTC")
        controllers = {
            controller.name: controller for controller in self._line.settings.controllers
        }
        for watched in self._line.watched:
            scheduler.add_job(
                self._tick,
                trigger(controllers[watched.name]),
                args=[watched],
                id=watched.name,
                next_run_time=datetime.fromtimestamp(self._clock() / 1000, UTC),
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

    async def _tick(self, watched: Watched) -> None:
        # A task of our own: the scheduler cancels its jobs on shutdown, and a poll may finish.
        task = asyncio.create_task(self._poll(watched))
        self._polls.add(task)
        try:
            await asyncio.shield(task)
        finally:
            self._polls.discard(task)

    async def _poll(self, watched: Watched) -> None:
        started = self._clock()
        try:
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
        log_cycle(self._log, cycle, took)

    def _fail(self, failure: LedgerError) -> None:
        """Without its ledger the service can do nothing: systemd starts it anew, later."""
        self._failure = failure
        self.stop()

    def _wake(self, _collected: int) -> None:
        for event in self._news.values():
            event.set()

    async def _deliver(self, sink: Sink) -> None:
        """Drain the sink whenever there is something, and after a failure when the wait is over."""
        news, failures = self._news[sink.name], 0
        while not self._stopping.is_set():
            news.clear()
            try:
                done = await drain(
                    sink,
                    self._line.ledger,
                    self._clock,
                    on_settled=self._count(sink.name),
                    stopping=self._stopping.is_set,
                )
            except LedgerError as failure:
                self._fail(failure)
                return
            self._metrics.drained(sink.name, done)
            log_drain(self._log, sink.name, done)
            failures = 0 if done.clean or done.delivered else failures + 1
            if done.clean:
                await self._sleep(None, news)
            else:
                jitter = random.random()  # noqa: S311 - spreads load, guards nothing
                wait = backoff.delay(
                    failures + 1, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter
                )
                await self._sleep(max(wait, done.retry_after or 0), None)

    def _count(self, sink: str) -> Callable[[Queued, str], None]:
        return lambda delivery, outcome: self._metrics.settled(
            sink, delivery, outcome, self._clock()
        )

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
            keep = self._line.settings.ledger.keep_payloads
            try:
                self._line.ledger.outbox.forget_payloads(self._clock() - keep)
                self._line.ledger.history.forget(self._clock() - COUNTS_KEPT_MS)
            except LedgerError as failure:
                self._fail(failure)
                return
            await asyncio.sleep(HOUSEKEEPING_SECONDS)


def trigger(controller: Controller) -> BaseTrigger:
    """When to poll a controller: its cron line, or its interval with some jitter."""
    if controller.cron is not None:
        return CronTrigger.from_crontab(controller.cron, timezone="UTC")
    seconds = controller.every / 1000
    return IntervalTrigger(
        seconds=seconds, jitter=seconds * JITTER_SHARE if seconds >= 10 else None, timezone="UTC"
    )


def log_cycle(log: structlog.typing.FilteringBoundLogger, cycle: Cycle, took: int) -> None:
    """One line a cycle, and one for each problem."""
    for problem in cycle.problems:
        log.warning("not collected", problem=problem)
    if cycle.error is not None:
        log.error("poll failed", problem=str(cycle.error), **_cure(cycle.error.hint))
        return
    log.info(
        "polled",
        controller=cycle.controller,
        jobs=cycle.jobs,
        asked=cycle.asked,
        collected=cycle.collected,
        skipped=cycle.skipped,
        ms=took,
    )


def log_drain(log: structlog.typing.FilteringBoundLogger, sink: str, done: Drain) -> None:
    """What a pass over the queue did, where it did something."""
    if done.delivered or done.rejected:
        log.info("delivered", sink=sink, delivered=done.delivered, rejected=done.rejected)
    if not done.clean:
        problem = done.stopped or done.last_failure
        log.error("sink failed", sink=sink, problem=problem, **_cure(done.hint))


def _cure(hint: str) -> dict[str, str]:
    return {"hint": hint} if hint else {}
