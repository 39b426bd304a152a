"""Every decision about which builds of a job are due. Pure functions over plain numbers.

A job's *examined* number is the highest N such that all of the job's builds ≤ N are in the ledger
or known not to exist; its *watermark* is the highest N such that they are settled, too. Neither is
compared while it is moved: a decision reads a frozen :class:`Mark`, the ledger folds the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """What the ledger knows of one job's present generation.

    ``next_build_number`` is the one that Jenkins showed when ``examined`` was last moved, None for
    a job never collected; ``in_flight`` are the builds ≤ ``examined`` still to be collected;
    ``newest`` is number and timestamp of the newest build known, to know the job again.
    """

    examined: int = 0
    next_build_number: int | None = None
    in_flight: frozenset[int] = frozenset()
    newest: tuple[int, int] | None = None


@dataclass(frozen=True)
class JobState:
    """A job's present generation. ``id`` is 0 for a job not yet in the ledger.

    ``base`` is added to a build's number at SEI; ``failures`` counts the collections that failed
    in a row, and before ``retry_at`` (epoch milliseconds) there is no other.
    """

    full_name: str
    id: int = 0
    generation: int = 0
    base: int = 0
    mark: Mark = Mark()
    failures: int = 0
    retry_at: int = 0


def watermark(examined: int, unsettled: Iterable[int]) -> int:
    """The highest N such that every build ≤ N is settled: never at or past an unsettled one."""
    return min([examined + 1, *unsettled]) - 1


def recreated(mark: Mark, next_build_number: int, builds: Mapping[int, int]) -> bool:
    """Whether the job is another one under the same name: deleted and created anew, or restored.

    ``builds`` maps number to timestamp as Jenkins shows them now. The counter went back, or the
    newest build known has another start. A build that was deleted proves nothing.
    """
    if mark.next_build_number is not None and next_build_number < mark.next_build_number:
        return True
    if mark.newest is None:
        return False
    number, timestamp = mark.newest
    return timestamp > 0 and builds.get(number, timestamp) not in (timestamp, 0)


def count_to_ask(mark: Mark, next_build_number: int, most: int) -> int:
    """How many of the newest builds to ask for: all that are due, and the newest known, to know
    the job again; never more than ``most``.

    Deleted builds leave gaps, so the builds asked for reach at least as far as the numbers do.
    """
    due = [
        mark.examined,
        *(number for number in mark.in_flight if number > next_build_number - most),
    ]
    return max(1, min(next_build_number - min(due), most))


def due(mark: Mark, started: Mapping[int, int], since: int) -> list[int]:
    """The numbers to collect, oldest first: new ones that started at or after ``since``, and those
    in flight. ``started`` maps number to timestamp; one that Jenkins loaded broken (0) is due.
    """
    return sorted(
        number
        for number, timestamp in started.items()
        if number in mark.in_flight
        or (number > mark.examined and (timestamp >= since or timestamp <= 0))
    )


def reaches_back(started: Mapping[int, int], mark: Mark, since: int, asked: int) -> bool:
    """Whether the answer to ``asked`` builds holds all new ones: fewer came than were asked, or the
    oldest is one that is not due."""
    if len(started) < asked:
        return True
    oldest = min(started)
    return oldest <= mark.examined + 1 or 0 < started[oldest] < since


def gone(mark: Mark, present: Collection[int], lowest: int) -> list[int]:
    """Builds in flight that Jenkins no longer has, as far as an answer that holds all builds with
    numbers ≥ ``lowest`` can tell."""
    return sorted(number for number in mark.in_flight if number >= lowest and number not in present)
