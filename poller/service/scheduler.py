"""When each job of the service runs, and what a clock that was set does to it: nothing.

APScheduler plans by the wall clock. Set back by a year, it would wait for a year; set forward, it
would walk through each time that was missed. So a plan is never further ahead than its trigger says
from now on, and what was missed is made up for once. The jobs are kept in memory: the watermark
makes a missed tick harmless.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

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

from poller.config.servers import ControllerConfig
from poller.core.tasks import end
from poller.core.times import Clock, now_ms

POLL, SELF_CHECK, DELIVER = "poll", "self_check", "deliver"
"""Kinds of jobs that have a controller or a sink."""

LOOK_SECONDS = 1.0
"""Between two looks at whether the clock was set."""

JUMP_SECONDS = 2.0
"""What the wall clock has to be off by, against the monotonic one, to have been set. A machine that
was asleep looks the same: the monotonic clock stood still."""


class FromNowTrigger(BaseTrigger):  # type: ignore[misc]
    """A trigger seen from now alone: the times that passed unused count as one."""

    def __init__(self, trigger: BaseTrigger) -> None:
        self._trigger = trigger

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The first time after ``now``."""
        following: datetime | None = self._trigger.get_next_fire_time(
            None if previous is None else now, now
        )
        return following


def jump(offset_before: float, offset: float) -> float:
    """By how many seconds the wall clock was set, 0 when it was not; the offsets are its distance
    from the monotonic clock."""
    moved = offset - offset_before
    return moved if abs(moved) >= JUMP_SECONDS else 0.0


class Scheduler:
    """Runs jobs, each at most once at a time. A job's id is its kind and, where there are several
    of a kind, the name of its controller or sink: ``poll:main``.

    ``clock`` gives epoch milliseconds, ``monotonic`` seconds.
    """

    def __init__(
        self, clock: Clock = now_ms, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._scheduler.add_listener(
            _on_event, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR
        )
        self._clock = clock
        self._monotonic = monotonic
        self._running: dict[str, asyncio.Task[Any]] = {}

    def add(
        self,
        job_id: str,
        trigger: BaseTrigger,
        work: Callable[[], Awaitable[None]],
        first: float = 0.0,
    ) -> None:
        """Do it when the trigger says, the first time in ``first`` seconds."""

        async def run() -> None:
            if (task := asyncio.current_task()) is not None:
                self._running[job_id] = task
            try:
                await work()
            except asyncio.CancelledError:  # at the end; no error to be logged
                pass
            finally:
                del self._running[job_id]

        self._scheduler.add_job(
            run, FromNowTrigger(trigger), id=job_id,
            coalesce=True, max_instances=1, misfire_grace_time=None, next_run_time=self._in(first),
        )  # fmt: skip

    def start(self) -> None:
        """From here on."""
        self._scheduler.start()

    @property
    def running(self) -> list[str]:
        """The ids of the jobs that are under way."""
        return list(self._running)

    def run_soon(self, job_id: str, seconds: float = 0.0) -> None:
        """Do it in so many seconds, out of turn; nothing where it was taken off, or is under way
        then."""
        if self._scheduler.get_job(job_id) is not None:
            self._scheduler.modify_job(job_id, next_run_time=self._in(seconds))

    async def end(self, jobs: Mapping[str, float]) -> None:
        """Take these jobs off. Each that is under way is waited for, so many seconds."""
        for job_id in jobs:
            if self._scheduler.get_job(job_id) is not None:  # a cron line may have no next time
                self._scheduler.remove_job(job_id)
        await asyncio.sleep(0)  # what was to begin just now has begun, and can be ended
        await asyncio.gather(
            *(end([task], jobs[name]) for name, task in self._running.items() if name in jobs)
        )

    async def aclose(self) -> None:
        """End what is under way, and begin nothing more."""
        self._scheduler.remove_all_jobs()
        await asyncio.sleep(0)  # as above
        self._scheduler.shutdown(wait=False)

    async def follow_clock(self) -> None:
        """For ever: see to it that a clock that is set moves no job further away."""
        offset = self._offset()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before, offset = offset, self._offset()
            if moved := jump(before, offset):
                structlog.get_logger().warning("clock_changed", seconds=round(moved))
                self._plan_anew()

    def _plan_anew(self) -> None:
        now = self._in(0)
        for job in self._scheduler.get_jobs():
            planned = min(job.next_run_time, job.trigger.get_next_fire_time(now, now))
            # Also where it stays: the scheduler sleeps until the time that it knew.
            job.modify(next_run_time=planned)

    def _offset(self) -> float:
        return self._clock() / 1000 - self._monotonic()

    def _in(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1000, UTC) + timedelta(seconds=seconds)


def _on_event(event: JobExecutionEvent) -> None:
    log, fields = structlog.get_logger(), job_fields(event.job_id)
    if event.code == EVENT_JOB_ERROR:
        log.error("job_failed", error=repr(event.exception), **fields)
    elif "sink" not in fields:  # a delivery that takes long takes what is new along
        log.warning("job_skipped", detail="the one before still runs", **fields)


def job_fields(job_id: str) -> dict[str, str]:
    """What a log line about a job says of it: ``job``, and its ``controller`` or ``sink``."""
    kind, _, name = job_id.partition(":")
    if not name:
        return {"job": job_id}
    return {"job": job_id, "sink" if kind == DELIVER else "controller": name}


JITTER_SHARE = 0.05
"""Share of the interval by which a poll may be early or not, so that many pollers spread."""

LONG_SECONDS = 10.0
"""An interval that is shorter is kept to the moment."""

START_GAP = 0.1
"""Seconds between the first polls of two controllers: 200 of them are a thousand connections."""

START_SHARE = 0.5
"""Share of the shortest interval within which every controller is polled for the first time."""


class Spread(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Polls near the beats ``phase``, ``phase`` + a little less than ``every``, and so on (seconds
    since the epoch): two of them are never further apart than ``every`` seconds."""

    def __init__(self, every: float, phase: float) -> None:
        self._jitter = JITTER_SHARE * every if every >= LONG_SECONDS else 0.0
        self._beat = every - self._jitter
        self._phase = phase

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Near the first beat after ``previous``."""
        beats = math.floor(((previous or now).timestamp() - self._phase) / self._beat) + 1
        jitter = random.uniform(0, self._jitter)  # noqa: S311 - spreads load, guards nothing
        return datetime.fromtimestamp(self._phase + beats * self._beat + jitter, UTC)


def trigger(controller: ControllerConfig, start: float, place: int, places: int) -> BaseTrigger:
    """When to poll the controller at ``place`` among so many: by its cron line, or each in its own
    part of the interval. ``start`` is seconds since the epoch."""
    if controller.cron is not None:
        return CronTrigger.from_crontab(controller.cron, timezone="UTC")
    every = controller.every / 1000
    return Spread(every, start + every * place / places)


def start_gap(controllers: Sequence[ControllerConfig]) -> float:
    """Seconds between the first polls of two controllers, which soon follow the start."""
    shortest = min(one.every for one in controllers) / 1000
    return min(START_GAP, START_SHARE * shortest / len(controllers))


def interval(seconds: float) -> BaseTrigger:
    """Every so many seconds."""
    return IntervalTrigger(seconds=seconds, timezone="UTC")
