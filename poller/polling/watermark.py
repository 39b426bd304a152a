"""Every decision about which builds of a job are due. Pure functions over plain numbers.

A job's *examined* number is the highest N such that all of the job's builds ≤ N are in the ledger
or known not to exist; its *watermark* is the highest N such that they are settled, too. Neither is
compared while it is moved: a decision reads a frozen :class:`JobProgress`, and the ledger folds the
result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from poller.core.build_key import BuildKey
from poller.core.times import is_before
from poller.ledger.records import JobProgress


def count_to_ask(progress: JobProgress, next_build_number: int, most: int) -> int:
    """How many of the newest builds to ask for: all that are due, and the newest known, to know
    the job again; never more than ``most``.

    Deleted builds leave gaps, so the builds asked for reach at least as far as the numbers do.
    """
    due = [
        progress.examined,
        *(
            number
            for number in {*progress.in_flight, *progress.pending}
            if number > next_build_number - most
        ),
    ]
    return max(1, min(next_build_number - min(due), most))


OUTSIDE = 10
"""Builds in a row that began before ``since`` and end a walk: the clock of one may be wrong."""


def due_numbers(
    progress: JobProgress, keys: Mapping[int, BuildKey], since: int | None
) -> list[int]:
    """The numbers to collect, oldest first: those in flight or asked for again, and the new ones.

    With ``since`` (epoch ms) those are from the first one on that began at or after it, by their
    numbers: starts are no order. Without, it is every number that was not examined.
    """
    first = progress.examined + 1
    if since is not None:
        own = (n for n, key in keys.items() if n >= first and not is_before(key.timestamp, since))
        first = min(own, default=max(keys, default=0) + 1)
    awaited = {*progress.in_flight, *progress.pending}
    return sorted(number for number in keys if number in awaited or number >= first)


def reaches_back(
    keys: Mapping[int, BuildKey], progress: JobProgress, since: int | None, asked: int
) -> bool:
    """Whether the answer to ``asked`` builds holds all that is due: fewer came than were asked, the
    oldest is examined, or several in a row began before ``since``."""
    if len(keys) < asked or min(keys) <= progress.examined + 1:
        return True
    if since is None or len(keys) < OUTSIDE:
        return False
    return all(is_before(keys[number].timestamp, since) for number in sorted(keys)[:OUTSIDE])


def covered_number(next_build_number: int, progress: JobProgress, keys: Collection[int]) -> int:
    """The highest number up to which an answer shows all builds of a job that is another one than
    before. ``next_build_number`` was asked before the answer, and may be that of the job before."""
    newest = max(keys, default=0)
    if newest and next_build_number >= (progress.next_build_number or 0):
        return newest
    return max(next_build_number - 1, newest)


def gaps(examined: int, upto: int, present: Collection[int]) -> int:
    """How many of the numbers after ``examined`` and up to ``upto`` no build has (any more):
    deleted before they were seen, or jumped over by a counter that was set."""
    there = sum(examined < number <= upto for number in present)
    return max(0, upto - examined - there)
