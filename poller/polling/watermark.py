"""Every decision about which builds of a job are due. Pure functions over plain numbers.

A job's *examined* number is the highest N such that all of the job's builds ≤ N are in the ledger
or known not to exist; its *watermark* is the highest N such that they are settled, too. Neither is
compared while it is moved: a decision reads a frozen :class:`JobProgress`, and the ledger folds the
result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from poller.core.build_key import BuildKey
from poller.ledger.records import JobProgress


def count_to_ask(progress: JobProgress, next_build_number: int, most: int) -> int:
    """How many of the newest builds to ask for: all that are due, and the newest known, to know
    the job again; never more than ``most``.

    Deleted builds leave gaps, so the builds asked for reach at least as far as the numbers do.
    """
    due = [
        progress.examined,
        *(number for number in progress.in_flight if number > next_build_number - most),
    ]
    return max(1, min(next_build_number - min(due), most))


def due_numbers(progress: JobProgress, keys: Mapping[int, BuildKey], since: int) -> list[int]:
    """The numbers to collect, oldest first: new ones that started at or after ``since``, and those
    in flight. One that Jenkins loaded broken (timestamp 0) is due.
    """
    return sorted(
        number
        for number, key in keys.items()
        if number in progress.in_flight
        or (number > progress.examined and (key.timestamp >= since or key.timestamp <= 0))
    )


def reaches_back(
    keys: Mapping[int, BuildKey], progress: JobProgress, since: int, asked: int
) -> bool:
    """Whether the answer to ``asked`` builds holds all new ones: fewer came than were asked, or the
    oldest is one that is not due."""
    if len(keys) < asked:
        return True
    oldest = min(keys)
    return oldest <= progress.examined + 1 or 0 < keys[oldest].timestamp < since


def covered_number(
    next_build_number: int, progress: JobProgress, keys: Collection[int], *, another: bool
) -> int:
    """The highest number up to which an answer shows all builds. ``next_build_number`` was asked
    before the answer; in a job created anew in between, it may be the one of the job before."""
    newest = max(keys, default=0)
    if another and newest and next_build_number >= (progress.next_build_number or 0):
        return newest
    return max(next_build_number - 1, newest)


def gone_numbers(progress: JobProgress, present: Collection[int], lowest: int) -> list[int]:
    """Builds in flight that Jenkins no longer has, as far as an answer that holds all builds with
    numbers ≥ ``lowest`` can say."""
    return sorted(
        number for number in progress.in_flight if number >= lowest and number not in present
    )


def gaps(examined: int, upto: int, present: Collection[int]) -> int:
    """How many of the numbers after ``examined`` and up to ``upto`` no build has (any more):
    deleted before they were seen, or jumped over by a counter that was set."""
    there = sum(examined < number <= upto for number in present)
    return max(0, upto - examined - there)
