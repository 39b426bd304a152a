"""Every decision about which builds of a job are due. Pure functions over plain numbers.

A job's *examined* number is the highest N such that all of the job's builds ≤ N are in the ledger
or known not to exist; its *watermark* is the highest N such that they are settled, too. Neither is
compared while it is moved: a decision reads a frozen :class:`Mark`, the ledger folds the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Start(NamedTuple):
    """What tells a build from every other one: its number, when it started (epoch milliseconds; 0
    where Jenkins loaded it broken), and its place in Jenkins' queue (0 where it is not known).

    ``queueId`` counts through the life of a controller; builds of before core 1.601 have -1.
    """

    number: int
    timestamp: int
    queue_id: int = 0

    def is_same(self, other: Start) -> bool:
        """Whether both are one build; a missing timestamp or queue id proves nothing."""
        return self.number == other.number and not self.differs(other)

    def differs(self, other: Start) -> bool:
        """Whether two builds of one number are surely two builds."""
        return (self.timestamp > 0 < other.timestamp and self.timestamp != other.timestamp) or (
            self.queue_id > 0 < other.queue_id and self.queue_id != other.queue_id
        )


@dataclass(frozen=True)
class Mark:
    """What the ledger knows of one job's present generation.

    ``next_build_number`` is the one that Jenkins showed when ``examined`` was last moved, None for
    a job never collected; ``in_flight`` are the builds still to be collected, those > ``examined``
    seen running since; ``newest`` is the newest build collected, to know the job again.
    """

    examined: int = 0
    next_build_number: int | None = None
    in_flight: frozenset[int] = frozenset()
    newest: Start | None = None

    @property
    def used(self) -> int:
        """The highest number that is known to have been used."""
        newest = self.newest.number if self.newest else 0
        return max((self.next_build_number or 1) - 1, newest, self.examined)


@dataclass(frozen=True)
class JobState:
    """A job's present generation. ``id`` is 0 for a job not yet in the ledger.

    ``base`` is added to a build's number at SEI; ``failures`` counts the collections that failed
    in a row, and before ``retry_at`` (epoch milliseconds) there is no other. ``missing`` says that
    it was not there at a look since its last collection: what is back may be another job.
    """

    full_name: str
    id: int = 0
    cls: str = ""
    generation: int = 0
    base: int = 0
    mark: Mark = Mark()
    failures: int = 0
    retry_at: int = 0
    missing: bool = False


def watermark(examined: int, unsettled: Iterable[int]) -> int:
    """The highest N such that every build ≤ N is settled: never at or past an unsettled one."""
    return min([examined + 1, *unsettled]) - 1


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


def due(mark: Mark, started: Mapping[int, Start], since: int) -> list[int]:
    """The numbers to collect, oldest first: new ones that started at or after ``since``, and those
    in flight. One that Jenkins loaded broken (timestamp 0) is due.
    """
    return sorted(
        number
        for number, start in started.items()
        if number in mark.in_flight
        or (number > mark.examined and (start.timestamp >= since or start.timestamp <= 0))
    )


def reaches_back(started: Mapping[int, Start], mark: Mark, since: int, asked: int) -> bool:
    """Whether the answer to ``asked`` builds holds all new ones: fewer came than were asked, or the
    oldest is one that is not due."""
    if len(started) < asked:
        return True
    oldest = min(started)
    return oldest <= mark.examined + 1 or 0 < started[oldest].timestamp < since


def covered(next_build_number: int, mark: Mark, started: Collection[int], *, another: bool) -> int:
    """The highest number up to which an answer shows all builds. ``next_build_number`` was asked
    before the answer; in a job created anew in between, it may be the one of the job before."""
    newest = max(started, default=0)
    if another and newest and next_build_number >= (mark.next_build_number or 0):
        return newest
    return max(next_build_number - 1, newest)


def gone(mark: Mark, present: Collection[int], lowest: int) -> list[int]:
    """Builds in flight that Jenkins no longer has, as far as an answer that holds all builds with
    numbers ≥ ``lowest`` can tell."""
    return sorted(number for number in mark.in_flight if number >= lowest and number not in present)


def gaps(examined: int, upto: int, present: Collection[int]) -> int:
    """How many of the numbers after ``examined`` and up to ``upto`` no build has (any more):
    deleted before they were seen, or jumped over by a counter that was set."""
    there = sum(examined < number <= upto for number in present)
    return max(0, upto - examined - there)
