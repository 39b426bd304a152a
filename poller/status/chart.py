"""Geometry of the charts, as server-made SVG needs it: percent across, pixels up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from poller.core.times import HOUR_MS

HOURS = 24
HEIGHT = 96
"""Pixels of the tallest bar."""


@dataclass(frozen=True)
class Bar:
    """One hour. ``left`` is in percent of the chart; heights are pixels, drawn from the bottom."""

    hour: int
    left: float
    queued: int
    delivered: int
    rejected: int
    queued_height: float
    delivered_height: float
    rejected_height: float


@dataclass(frozen=True)
class DayChart:
    """The last 24 hours of one sink, the present one last. ``top`` is the scale's upper end."""

    sink: str
    bars: list[Bar]
    top: int
    step: float = 100 / HOURS
    height: int = HEIGHT

    @property
    def queued(self) -> int:
        """Builds collected in all."""
        return sum(bar.queued for bar in self.bars)

    @property
    def delivered(self) -> int:
        """Builds delivered in all."""
        return sum(bar.delivered for bar in self.bars)

    @property
    def rejected(self) -> int:
        """Builds rejected in all."""
        return sum(bar.rejected for bar in self.bars)


def day_chart(rows: Iterable[Mapping[str, Any]], sink: str, now: int) -> DayChart:
    """``rows`` are hours (epoch ms) with their counts, of any sink and controller."""
    first = (now // HOUR_MS - HOURS + 1) * HOUR_MS
    counts = {first + place * HOUR_MS: [0, 0, 0] for place in range(HOURS)}
    for row in rows:
        if row["sink"] == sink and row["hour"] in counts:
            for place, column in enumerate(("queued", "delivered", "rejected")):
                counts[row["hour"]][place] += row[column]
    top = nice_top(max(max(three) for three in counts.values()))
    return DayChart(
        sink,
        [
            Bar(hour, place * 100 / HOURS, *three, *(round(HEIGHT * n / top, 1) for n in three))
            for place, (hour, three) in enumerate(counts.items())
        ],
        top,
    )


def nice_top(most: int) -> int:
    """The least of 1, 2, 5 times a power of ten that is not below ``most``, and at least 10."""
    power = 10
    while True:
        for step in (1, 2, 5):
            if most <= step * power:
                return step * power
        power *= 10


@dataclass(frozen=True)
class Span:
    """Where something lies within a build, in percent of it."""

    left: float
    width: float


def span(start: int | None, duration: int, begin: int, length: int) -> Span | None:
    """``start`` and ``begin`` are epoch milliseconds; None where the start is not known."""
    if start is None or length <= 0:
        return None
    left = min(100.0, max(0.0, 100 * (start - begin) / length))
    width = min(100.0 - left, max(0.0, 100 * duration / length))
    # What took no time at all is still to be seen.
    return Span(round(min(left, 99.6), 2), round(max(width, 0.4), 2))
