"""When each controller is polled: never all of them at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from poller.settings import Controller

JITTER_SHARE = 0.1
"""Share of the interval by which a poll may be early, so that many pollers spread."""

START_GAP = 0.1
"""Seconds between the first polls of two controllers: 200 of them are a thousand connections."""

START_SHARE = 0.5
"""Share of the shortest interval within which every controller is polled for the first time."""


def trigger(controller: Controller) -> BaseTrigger:
    """When to poll a controller: by its cron line, or once in each interval, mostly a bit early:
    no two polls are further apart than ``every``."""
    if controller.cron is not None:
        return CronTrigger.from_crontab(controller.cron, timezone="UTC")
    seconds = controller.every / 1000
    jitter = seconds * JITTER_SHARE if seconds >= 10 else 0
    return IntervalTrigger(seconds=seconds - jitter, jitter=jitter or None, timezone="UTC")


def start_gap(controllers: Sequence[Controller]) -> float:
    """Seconds between the first polls of two controllers."""
    shortest = min(one.every for one in controllers) / 1000
    return min(START_GAP, START_SHARE * shortest / len(controllers))
