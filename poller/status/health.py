"""Whether every controller was polled lately, and since when one is overdue. Pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime

from poller.config.servers import ControllerConfig
from poller.core.times import ago, span_text
from poller.http.breaker import Breaker

INTERVALS = 3
"""Intervals without an answer after which a controller is overdue."""


@dataclass(frozen=True)
class Overdue:
    """A controller that is overdue. ``since`` is its last answer (epoch ms); None: never."""

    controller: str
    since: int | None
    error: str | None
    breaker: Breaker = field(default_factory=Breaker)

    def words(self, now: int) -> str:
        """One line."""
        when = "not polled yet" if self.since is None else f"no answer for {ago(now - self.since)}"
        alone = self.breaker.words(now)
        if alone and self.breaker.next_try is not None:
            alone += ", or at once by `sei-poller now`"
        return (
            f"{self.controller}: {when}"
            + (f"; {alone}" if alone else "")
            + (f": {self.error}" if self.error else "")
        )


def overdue(
    controller: ControllerConfig,
    last_success: int | None,
    error: str | None,
    breaker: Breaker,
    now: int,
) -> Overdue | None:
    """The controller when three of its polls are due since the last answer, else None.

    A cron line is walked: the gap between two of its times is not always the same.
    """
    if last_success is not None and now <= deadline(controller, last_success):
        return None
    return Overdue(controller.name, last_success, error, breaker)


def deadline(controller: ControllerConfig, last_success: int) -> int:
    """Epoch milliseconds of the third poll that is due after ``last_success``."""
    if controller.cron is None:
        return last_success + INTERVALS * controller.every
    moment = datetime.fromtimestamp(last_success / 1000, UTC)
    for following in _times(controller.cron, moment):
        moment = following
    return int(moment.timestamp() * 1000)


def interval(controller: ControllerConfig, now: int) -> int:
    """Milliseconds between two polls; of a cron line, the longest of its next three gaps."""
    if controller.cron is None:
        return controller.every
    moments = [
        moment.timestamp()
        for moment in _times(controller.cron, datetime.fromtimestamp(now / 1000, UTC))
    ]
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    return int(1000 * max(gaps, default=0.0)) or controller.every


def every_words(controller: ControllerConfig) -> str:
    """How often it is polled, for people."""
    return f"cron {controller.cron}" if controller.cron else f"every {span_text(controller.every)}"


def _times(line: str, after: datetime) -> list[datetime]:
    """The next times of a cron line after a moment, at most three."""
    from apscheduler.triggers.cron import CronTrigger  # heavy, and most controllers have no cron

    trigger = CronTrigger.from_crontab(line, timezone="UTC")
    moments: list[datetime] = []
    previous: datetime | None = after
    for _ in range(INTERVALS):
        previous = trigger.get_next_fire_time(previous, previous or after)
        if previous is None:
            break
        moments.append(previous)
    return moments
