"""One service: its jobs on the scheduler until it is stopped."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from apscheduler.triggers.base import BaseTrigger

from poller.config.settings import Settings
from poller.context import AppContext
from poller.core.errors import LedgerUnwritable
from poller.core.events import WakeOnCollected
from poller.core.tasks import end, in_thread
from poller.delivery.instances import InstanceCheck
from poller.delivery.jsonl import check_regular
from poller.ledger.file import LONGEST_WAIT
from poller.ledger.retention import apply_retention
from poller.service.delivery_loop import DeliveryLoop
from poller.service.ledger_guard import LedgerGuard
from poller.service.now import follow_requests
from poller.service.parts import ServiceParts, Stop
from poller.service.poll_loop import PollLoop, SelfCheckLoop
from poller.service.scheduler import Scheduler, interval, start_gap, trigger
from poller.service.watchdog import PATIENCE, Watchdog
from poller.status.metrics import Metrics

WATCHDOG, PINGS = "watchdog", 4
"""The job that notifies systemd's watchdog, and how often within the time that it allows."""

RETENTION_SECONDS = 3600.0
INSTANCES_SECONDS = 60.0

EXTRA_STOP_SECONDS = 5.0
"""That systemd waits longer for the end than the service waits for its jobs, and for the ledger."""


class Job(Protocol):
    """What the scheduler runs: ``first`` in so many seconds, then as its ``trigger`` says. A stop
    waits ``stop_seconds`` for it."""

    id: str
    trigger: BaseTrigger
    first: float
    stop_seconds: float

    async def run_once(self) -> None:
        """Do it. Raises LedgerError."""


class Retention:
    """The job ``retention``: the ledger forgets what is old."""

    id = "retention"
    first = stop_seconds = 0.0

    def __init__(self, context: AppContext) -> None:
        self.trigger = interval(RETENTION_SECONDS)
        self._context = context

    async def run_once(self) -> None:
        """Once. Raises LedgerError."""
        context = self._context
        apply_retention(context.ledger, context.settings, context.clock())


class Instances:
    """The job ``instances``: whether SEI knows each controller."""

    id = "instances"
    first = stop_seconds = 0.0

    def __init__(self, check: InstanceCheck) -> None:
        self.trigger = interval(INSTANCES_SECONDS)
        self._check = check

    async def run_once(self) -> None:
        """Ask for those that are due. Raises LedgerError."""
        await self._check.run(daily=True)


async def run(
    context: AppContext, metrics: Metrics, scheduler: Scheduler, watchdog: Watchdog, stop: Stop
) -> None:
    """Poll and deliver until stopped. Raises LedgerError when the ledger fails."""
    systemd = watchdog.systemd

    def set_unwritable(why: str) -> None:
        watchdog.set_problem("ledger", why)
        metrics.unwritable = why

    guard = LedgerGuard(context.ledger, set_unwritable, scheduler.run_soon)
    parts = ServiceParts(context, metrics, scheduler, guard, watchdog, stop)
    jobs = jobs_of(parts)
    for job in jobs:
        scheduler.add(job.id, job.trigger, partial(guard.run_job, job.id, job.run_once), job.first)
    if systemd.watchdog is not None:
        scheduler.add(WATCHDOG, interval(systemd.watchdog / PINGS), watchdog.ping)
    scheduler.start()
    systemd.ready()
    waiting = [job for job in jobs if isinstance(job, PollLoop | DeliveryLoop)]
    keepers = [
        asyncio.create_task(keeper)
        for keeper in (guard.run(), scheduler.follow_clock(), follow_requests(parts, waiting))
    ]
    stopped = asyncio.create_task(stop.requested.wait())
    looking = asyncio.create_task(log_unusable_file(context.settings))
    log = structlog.get_logger()
    try:
        await asyncio.wait({*keepers, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stop():
            stop.request()
        if not stop.reload:
            log.info("service_stopping", running=scheduler.running)
            systemd.stopping(EXTRA_STOP_SECONDS + max(job.stop_seconds for job in jobs))
        await scheduler.end({job.id: job.stop_seconds for job in jobs})
        for keeper in keepers:
            if keeper.done():
                keeper.result()
    finally:
        await end([*keepers, stopped, looking], 0)
        await scheduler.aclose()
    if stop.reload:
        return
    if context.settlement:
        systemd.stopping(EXTRA_STOP_SECONDS + LONGEST_WAIT)
    if await all_settled(context):
        log.info("service_stopped", queued=context.ledger.outbox.count_queued())


async def log_unusable_file(settings: Settings) -> None:
    """Say at the start that runs can't be appended to [jsonl] path; it is no file, for example."""
    if settings.jsonl is not None:
        path = Path(settings.jsonl.path)
        try:
            await in_thread(lambda: check_regular(path))
        except OSError as error:
            problem = f"{path}: {error.strerror}"
            structlog.get_logger().error("delivery_failed", sink="jsonl", problem=problem)


def jobs_of(parts: ServiceParts) -> list[Job]:
    """All jobs of a service but the watchdog."""
    context, settings = parts.context, parts.context.settings
    deliveries = [DeliveryLoop(parts, sender) for sender in context.senders]
    jobs: list[Job] = [*deliveries, Retention(context)]
    if context.instances is not None:
        jobs.append(Instances(context.instances))

    def wake() -> None:
        for one in deliveries:
            one.wake()

    now, gap = context.clock() / 1000, start_gap(settings.controllers)
    count, every = len(context.controllers), settings.reconcile.every / 1000
    for place, (config, given) in enumerate(
        zip(settings.controllers, context.controllers, strict=True)
    ):
        controller = dataclasses.replace(given, events=WakeOnCollected(given.events, wake))
        when = trigger(config, now, place, count)
        jobs.append(PollLoop(parts, controller, when, first=place * gap))
        if settings.reconcile.enabled:
            first = (place + 1) / count * every
            jobs.append(SelfCheckLoop(parts, controller, interval(every), first))
    return jobs


def patience(settings: Settings) -> float:
    """Seconds without a request after which work counts as stalled: a console log may take four
    timeouts of its controller. Pure."""
    servers = (*settings.controllers, settings.sei, settings.harness)
    longest = max(one.timeout for one in servers if one is not None) / 1000
    return max(PATIENCE, 5 * longest)


async def all_settled(context: AppContext) -> bool:
    """Record the final answers that are kept; where that is not possible, say what will be sent
    again."""
    try:
        await context.ledger.when_free(context.settlement.catch_up)
    except LedgerUnwritable as error:
        structlog.get_logger().error(
            "service_stopped",
            problem=str(error),
            sent_but_not_recorded=len(context.settlement),
            hint="they are sent once more, with the same execution_id",
        )
        return False
    return True
