"""When each controller is polled: not all at once, no two polls further apart than ``every``."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from poller.servers import ControllerConfig

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
