"""One figure of the table: what was measured, its goal, and what was measured beside it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class Figure:
    """``values`` are of the runs. ``limit`` is the goal, the least or (``at_most``) the most, and
    ``goal`` its words where the number would not say it.

    ``unit`` stands behind the number; ``digits`` after its point. ``failed`` says why there are no
    values. In the picture are those of a ``compare``, a bar a ``contender``, and those that have a
    ``short`` name.
    """

    name: str
    values: Sequence[float] = field(default_factory=list)
    unit: str = ""
    digits: int = 1
    limit: float | None = None
    at_most: bool = True
    goal: str = ""
    note: str = ""
    compare: str = ""
    contender: str = ""
    short: str = ""
    failed: str = ""

    @property
    def middle(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median meets the goal; None where there is none."""
        if self.limit is None:
            return None
        if not self.values:
            return False
        return self.middle <= self.limit if self.at_most else self.middle >= self.limit

    @property
    def measured(self) -> str:
        """Median, and from least to most."""
        if self.failed:
            return f"failed: {' '.join(self.failed.split())}"
        if not self.values:
            return "not to be had"
        least, most = self._number(min(self.values)), self._number(max(self.values))
        middle = self._number(self.middle) + self.unit
        return middle if least == most else f"{middle} ({least} to {most})"

    @property
    def wanted(self) -> str:
        """The goal in words."""
        if self.limit is None or self.goal:
            return self.goal
        return f"{'≤' if self.at_most else '≥'} {self._number(self.limit)}{self.unit}"

    def _number(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


@dataclass(frozen=True)
class Results:
    """All of a run of the bench: where, when, how, and what came out, by section."""

    machine: str
    date: str
    command: str
    minutes: float
    sections: dict[str, list[Figure]]


def encoded(results: Results) -> bytes:
    """As a file."""
    return msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n"


def decoded(raw: bytes) -> Results:
    """From a file."""
    found: Results = msgspec.json.decode(raw, type=Results)
    return found


def each(values: Sequence[float], other: Sequence[float]) -> list[float]:
    """Run by run, how often ``other`` goes into ``values``; where one had a run less, without it."""
    return [value / peer for value, peer in zip(values, other, strict=False)]


def unmeasured(name: str, error: BaseException) -> Figure:
    """The row of a section that failed."""
    words: Any = str(error).strip() or type(error).__name__
    return Figure(name, failed=f"{type(error).__name__}: {words}"[:300])
