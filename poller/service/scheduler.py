"""When each controller is polled and compared, and what a clock that was set does to it: nothing.

APScheduler plans by the wall clock. Set back by a year, it would wait for a year; set forward, it
would walk through each time that was missed. So a plan is never further ahead than its trigger says
from now on, and what was missed is made up for once. The jobs are kept in memory: the watermark
makes a missed tick harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Sequence
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
    """``clock`` gives epoch milliseconds, ``monotonic`` seconds."""

    def __init__(self, clock: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._scheduler.add_listener(
            _on_event, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR
        )
        self._clock = clock
        self._monotonic = monotonic

    def add(
        self,
        name: str,
        when: BaseTrigger,
        work: Callable[..., Awaitable[None]],
        *arguments: Any,
        first: float = 0.0,
    ) -> None:
        """Do it, never twice at a time; the first time in ``first`` seconds."""

        async def run() -> None:
            with contextlib.suppress(asyncio.CancelledError):  # the end; no error to be told of
                await work(*arguments)

        at = self._now() + timedelta(seconds=first)
        self._scheduler.add_job(
            run, FromNowTrigger(when), id=name,
            coalesce=True, max_instances=1, misfire_grace_time=None, next_run_time=at,
        )  # fmt: skip

    def start(self) -> None:
        """From here on."""
        self._scheduler.start()

    def soon(self, name: str, seconds: float = 0.0) -> None:
        """Do one of them in so many seconds, out of turn; nothing where it was taken off."""
        if self._scheduler.get_job(name) is not None:
            at = self._now() + timedelta(seconds=seconds)
            self._scheduler.modify_job(name, next_run_time=at)

    def keep_only(self, name: str) -> None:
        """Take all others off."""
        for job in self._scheduler.get_jobs():
            if job.id != name:
                job.remove()

    async def aclose(self) -> None:
        """End what is under way, and begin nothing more."""
        self._scheduler.remove_all_jobs()
        await asyncio.sleep(0)  # what was to begin just now has begun, and can be ended
        self._scheduler.shutdown(wait=False)

    async def follow_clock(self) -> None:
        """For ever: see to it that a clock that is set moves no poll further away."""
        offset = self._offset()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before, offset = offset, self._offset()
            if moved := jump(before, offset):
                structlog.get_logger().warning("the clock was set", seconds=round(moved))
                self._plan_anew()

    def _plan_anew(self) -> None:
        now = self._now()
        for job in self._scheduler.get_jobs():
            planned = min(job.next_run_time, job.trigger.get_next_fire_time(now, now))
            # Also where it stays: the scheduler sleeps until the time that it knew.
            job.modify(next_run_time=planned)

    def _offset(self) -> float:
        return self._clock() / 1000 - self._monotonic()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1000, UTC)


def _on_event(event: JobExecutionEvent) -> None:
    log = structlog.get_logger()
    if event.code == EVENT_JOB_ERROR:
        log.error("poll failed", controller=event.job_id, error=repr(event.exception))
    else:
        log.warning("poll left out", controller=event.job_id, why="the one before still runs")


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
