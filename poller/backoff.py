"""How long to wait before another try. Pure."""

from __future__ import annotations


def delay(failures: int, *, first: float, longest: float, jitter: float) -> float:
    """Seconds to wait after ``failures`` ≥ 1 in a row: doubling from ``first`` up to ``longest``.

    ``jitter`` is a random number in [0, 1): the wait is between half and the whole, so that many
    pollers don't come back at once.
    """
    whole = min(longest, first * 2.0 ** min(failures - 1, 32))
    return float(whole * (0.5 + jitter / 2))
