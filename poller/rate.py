"""A request rate that is kept, not approached: starts are spaced evenly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pace:
    """Lets one caller through every ``1 / rate`` seconds; ``rate`` None lets all through."""

    def __init__(self, rate: float | None, now: Callable[[], float]) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._now = now
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the caller's turn."""
        now = self._now()
        turn = max(now, self._next)
        self._next = turn + self._gap
        if turn > now:
            await asyncio.sleep(turn - now)
