"""How many requests a server gets at once, by how fast it answers. No clock, no I/O.

Only like is compared with like: a request with those of its own kind, and a server with itself. One
that is always slow is not slow.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

WINDOW = 16
"""Answers of a kind whose median is looked at: a few that are late say nothing."""

SLOW = 2.0
"""Times the usual latency that count as slow."""

NOTICED = 0.02
"""Seconds more than usual that nobody would notice."""

MEMORY = 3600.0
"""Seconds in which what is usual gets accustomed to what is now."""

MOST_LEARNED = 0.25
"""Share of a slow window in what is usual, at most, however long the window before is past."""


@dataclass
class _Kind:
    usual: float = 0.0
    windows: int = 0
    at: float = 0.0
    seconds: list[float] = field(default_factory=list)


class Throttle:
    """``limit`` requests at once, 1 to ``most``: halved with each window of answers that took twice
    what is usual, one more with each that did not."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self._kinds: dict[Hashable, _Kind] = {}

    def note(self, kind: Hashable, seconds: float, now: float) -> None:
        """An answer took so long; ``now`` is in seconds, of any clock that only goes forward."""
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Kind(at=now)
        known.seconds.append(seconds)
        if len(known.seconds) < WINDOW:
            return
        median = statistics.median(known.seconds)
        known.seconds.clear()
        if self._is_slow(known, median, now):
            self.limit = max(1, self.limit // 2)
            # What was asked before at the old pace says nothing of the new one.
            for other in self._kinds.values():
                other.seconds.clear()
        else:
            self.limit = min(self.most, self.limit + 1)

    def start_slowly(self) -> None:
        """One at a time, to begin with: the server was away."""
        self.limit = 1

    @staticmethod
    def _is_slow(known: _Kind, median: float, now: float) -> bool:
        more = median - known.usual
        slow = known.windows > 0 and median > SLOW * known.usual and more > NOTICED
        learned = 1 - math.exp((known.at - now) / MEMORY)
        known.windows += 1
        known.at = now
        known.usual += more * (
            min(learned, MOST_LEARNED) if slow else max(learned, 1 / known.windows)
        )
        return slow


class RateLimit:
    """Lets one caller through every ``1 / rate`` seconds; ``rate`` None lets all through."""

    def __init__(self, rate: float | None, now: Callable[[], float]) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._now = now
        self._next = 0.0

    @property
    def left(self) -> float:
        """Seconds until the next caller may go on."""
        return max(0.0, self._next - self._now())

    def resume(self, seconds: float) -> None:
        """Go on as another process left it, so many seconds before its next request."""
        self._next = max(self._next, self._now() + min(seconds, self._gap))

    async def wait(self) -> None:
        """Until the caller may go on."""
        now = self._now()
        at = max(now, self._next)
        self._next = at + self._gap
        if at > now:
            await asyncio.sleep(at - now)
