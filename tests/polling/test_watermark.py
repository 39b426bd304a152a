"""The watermark's decisions, over all orders in which builds can finish."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poller.core.build_key import BuildKey
from poller.ledger.builds import watermark
from poller.ledger.records import JobProgress
from poller.polling.watermark import (
    count_to_ask,
    covered_number,
    due_numbers,
    gaps,
    gone_numbers,
    reaches_back,
)

numbers = st.integers(1, 60)


def starts(timestamps: dict[int, int]) -> dict[int, BuildKey]:
    """Builds by number, from their timestamps."""
    return {number: BuildKey(number, at) for number, at in timestamps.items()}


def test_watermark_stops_before_the_first_unsettled_build() -> None:
    """It never passes a build that is in flight or queued."""
    assert watermark(10, [7, 9]) == 6
    assert watermark(10, []) == 10
    assert watermark(0, []) == 0


@given(st.integers(0, 60), st.sets(numbers))
def test_no_unsettled_build_lies_at_or_below_the_watermark(
    examined: int, unsettled: set[int]
) -> None:
    """And none that is settled is held back without a reason."""
    mark = watermark(examined, unsettled)
    assert mark <= examined
    assert all(number > mark for number in unsettled)
    assert mark == examined or mark + 1 in unsettled


def follow(order: list[list[int]], asked: int) -> list[int]:
    """Collect as the program does, once after each step of ``order``: lists of builds that finish.

    All builds start before the first poll; ``asked`` is the page size. Returns what was collected.
    """
    total = max((number for step in order for number in step), default=0)
    finished: set[int] = set()
    mark, collected = JobProgress(), []
    for step in order:
        finished.update(step)
        count = count_to_ask(mark, total + 1, asked)
        shown = range(max(1, total - count + 1), total + 1)
        started = starts({number: 1000 + number for number in shown})
        if not reaches_back(started, mark, 0, count):
            started = starts({number: 1000 + number for number in range(1, total + 1)})
        wanted = set(due_numbers(mark, started, 0)) | {
            n for n in mark.in_flight if n not in started
        }
        complete = wanted & finished
        collected += sorted(complete)
        newest = BuildKey(total, 1000 + total)
        mark = JobProgress(total, total + 1, frozenset(wanted - complete), newest)
    return collected


@given(st.permutations(range(1, 13)), st.integers(1, 15), st.data())
def test_each_build_is_collected_once_in_whatever_order_they_finish(
    order: list[int], asked: int, data: st.DataObject
) -> None:
    """No loss, no double: the polls fall anywhere between the finishes."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order) - 1))))
    steps = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    assert list(range(1, 13)) == sorted(follow(steps, asked))


def test_only_builds_since_the_beginning_are_due() -> None:
    """What started before `since` is not ours; what Jenkins loaded broken is looked at again."""
    mark = JobProgress(examined=2)
    assert due_numbers(mark, starts({1: 10, 2: 20, 3: 30, 4: 40, 5: 0, 6: 60}), since=40) == [
        4,
        5,
        6,
    ]


def test_a_build_in_flight_is_due_although_examined() -> None:
    """The long-running one is collected when it is seen again."""
    mark = JobProgress(examined=9, next_build_number=10, in_flight=frozenset({3}))
    assert due_numbers(mark, starts({3: 30, 9: 90}), since=0) == [3]


def test_asks_as_far_back_as_the_oldest_in_flight_and_the_newest_known() -> None:
    """One more than the new ones, to know the job again; never more than a page."""
    assert count_to_ask(JobProgress(examined=10), 13, 100) == 3
    assert count_to_ask(JobProgress(examined=10, in_flight=frozenset({4})), 13, 100) == 9
    assert count_to_ask(JobProgress(), 5000, 100) == 100
    assert count_to_ask(JobProgress(examined=1000, in_flight=frozenset({4})), 1003, 100) == 3
    assert count_to_ask(JobProgress(), 1, 100) == 1


def test_an_answer_reaches_back_when_it_is_short_or_touches_what_is_known() -> None:
    """A full page whose oldest build is new and recent says nothing about the ones before."""
    mark = JobProgress(examined=10)
    assert reaches_back(starts({11: 1, 12: 2}), mark, 0, asked=5)
    assert reaches_back(starts({11: 1, 12: 2}), mark, 0, asked=2)
    assert not reaches_back(starts({12: 1, 13: 2}), mark, 0, asked=2)
    assert reaches_back(starts({12: 1, 13: 2}), mark, 2, asked=2)


def test_only_what_the_answer_covers_can_be_gone() -> None:
    """A build before the oldest one asked for may still be there."""
    mark = JobProgress(in_flight=frozenset({2, 8, 9}))
    assert gone_numbers(mark, {7, 9, 10}, lowest=7) == [8]


def test_numbers_without_a_build_are_counted() -> None:
    """Deleted before they were seen, or jumped over by a counter that was set."""
    assert gaps(10, 14, {9, 10, 12}) == 3
    assert gaps(10, 10, {9, 10}) == 0
    assert gaps(0, 3, {1, 2, 3}) == 0


def test_an_answer_covers_what_was_counted_before_it_was_asked() -> None:
    """And what began since; of a job created anew in between, only what it shows."""
    mark = JobProgress(5, 6)
    assert covered_number(8, mark, {6, 7, 8, 9}, another=False) == 9
    assert covered_number(8, mark, {6}, another=False) == 7
    assert covered_number(8, mark, {1, 2}, another=True) == 2
    assert covered_number(3, mark, {1}, another=True) == 2
    assert covered_number(1, mark, (), another=True) == 0
