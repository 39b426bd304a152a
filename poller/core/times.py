"""Times and sizes as people write them. Pure; everything inside is epoch milliseconds and bytes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Gives epoch milliseconds."""

Stopping: TypeAlias = Callable[[], bool]
"""Whether to take nothing new on."""

HOUR_MS, DAY_MS = 3_600_000, 86_400_000

EARLIEST_MS = 1_000_000_000_000
"""Of 2001, before there was any Jenkins: an earlier start is that of a clock that was not set."""

UNITS_MS = {
    "ms": 1, "s": 1_000, "m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS,
}  # fmt: skip
SIZES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

SPAN_FORM = "a span is a number and a unit: 500ms, 60s, 5m, 36h, 90d, 2w"
WHEN_FORM = "WHEN is an ISO 8601 date or time, a span back from now (36h, 90d), or all"
SIZE_FORM = "a size is a number and a unit: 512KiB, 1MiB"

_SPAN = re.compile(r"(\d{1,9})\s?(ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d{1,9})\s?(B|KiB|MiB|GiB)")


def now_ms() -> int:
    """The machine's clock, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def is_before(timestamp: int, since: int) -> bool:
    """Whether a build surely began before ``since`` (epoch ms)."""
    return EARLIEST_MS <= timestamp < since


def parse_span(text: str) -> int:
    """``"36h"`` in milliseconds. Raises ValueError."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(SPAN_FORM)
    return int(match[1]) * UNITS_MS[match[2]]


def parse_when(text: str, now: int) -> int:
    """The moment in epoch milliseconds; ``all`` is 0, a time without zone is UTC.

    Raises ValueError.
    """
    text = text.strip()
    if text == "all":
        return 0
    if _SPAN.fullmatch(text):
        return max(0, now - parse_span(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(WHEN_FORM) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp() * 1000))


def parse_size(text: str) -> int:
    """``"1MiB"`` in bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(SIZE_FORM)
    return int(match[1]) * SIZES[match[2]]


def iso(at: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(span: int) -> str:
    """A span for people: its largest unit."""
    for unit, name in (("d", "d"), ("h", "h"), ("m", "min")):
        if span >= 2 * UNITS_MS[unit]:
            return f"{span // UNITS_MS[unit]} {name}"
    return f"{max(0, span) // 1000} s"


def span_text(span: int) -> str:
    """The shortest way to write a span."""
    for unit in ("w", "d", "h", "m", "s"):
        if span and span % UNITS_MS[unit] == 0:
            return f"{span // UNITS_MS[unit]}{unit}"
    return f"{span}ms"


def size_text(size: int) -> str:
    """The shortest way to write a size."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % SIZES[unit] == 0:
            return f"{size // SIZES[unit]}{unit}"
    return f"{size}B"


def backoff(failures: int, *, first: float, longest: float, jitter: float) -> float:
    """Seconds to wait after ``failures`` ≥ 1 in a row: doubling from ``first`` up to ``longest``.

    ``jitter`` is a random number in [0, 1): the wait is between half and the whole, so that many
    pollers don't come back at once.
    """
    whole = min(longest, first * 2.0 ** min(failures - 1, 32))
    return float(whole * (0.5 + jitter / 2))
