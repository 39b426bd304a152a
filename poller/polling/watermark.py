"""Every decision about which builds of a job are due. Pure functions over plain numbers.

A job's *examined* number is the highest N such that all of the job's builds ≤ N are in the ledger
or known not to exist; its *watermark* is the highest N such that they are settled, too. Neither is
compared while it is moved: a decision reads a frozen :class:`Mark`, the ledger folds the result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from poller.core.build_key import BuildKey
from poller.ledger.records import JobProgress


def count_to_ask(mark: JobProgress, next_build_number: int, most: int) -> int:
    """How many of the newest builds to ask for: all that are due, and the newest known, to know
    the job again; never more than ``most``.

    Deleted builds leave gaps, so the builds asked for reach at least as far as the numbers do.
    """
    due = [
        mark.examined,
        *(number for number in mark.in_flight if number > next_build_number - most),
    ]
    return max(1, min(next_build_number - min(due), most))


def due_numbers(mark: JobProgress, started: Mapping[int, BuildKey], since: int) -> list[int]:
    """The numbers to collect, oldest first: new ones that started at or after ``since``, and those
    in flight. One that Jenkins loaded broken (timestamp 0) is due.
    """
    return sorted(
        number
        for number, start in started.items()
        if number in mark.in_flight
        or (number > mark.examined and (start.timestamp >= since or start.timestamp <= 0))
    )


def reaches_back(
    started: Mapping[int, BuildKey], mark: JobProgress, since: int, asked: int
) -> bool:
    """Whether the answer to ``asked`` builds holds all new ones: fewer came than were asked, or the
    oldest is one that is not due."""
    if len(started) < asked:
        return True
    oldest = min(started)
    return oldest <= mark.examined + 1 or 0 < started[oldest].timestamp < since


def covered_mark(
    next_build_number: int, mark: JobProgress, started: Collection[int], *, another: bool
) -> int:
    """The highest number up to which an answer shows all builds. ``next_build_number`` was asked
    before the answer; in a job created anew in between, it may be the one of the job before."""
    newest = max(started, default=0)
    if another and newest and next_build_number >= (mark.next_build_number or 0):
        return newest
    return max(next_build_number - 1, newest)


def gone_numbers(mark: JobProgress, present: Collection[int], lowest: int) -> list[int]:
    """Builds in flight that Jenkins no longer has, as far as an answer that holds all builds with
    numbers ≥ ``lowest`` can tell."""
    return sorted(number for number in mark.in_flight if number >= lowest and number not in present)


def gaps(examined: int, upto: int, present: Collection[int]) -> int:
    """How many of the numbers after ``examined`` and up to ``upto`` no build has (any more):
    deleted before they were seen, or jumped over by a counter that was set."""
    there = sum(examined < number <= upto for number in present)
    return max(0, upto - examined - there)
