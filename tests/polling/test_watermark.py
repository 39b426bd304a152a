"""The watermark's decisions, over all orders in which builds can finish."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poller.core.build_key import BuildKey
from poller.ledger.records import JobProgress
from poller.ledger.watermark import watermark
from poller.polling.watermark import (
    OUTSIDE,
    count_to_ask,
    covered_number,
    due_numbers,
    gaps,
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


def test_due_from_the_first_one_since_the_beginning() -> None:
    """By number: one start among them may be wrong, in either direction."""
    day = 86_400_000
    since = 1_700_000_000_000
    mark = JobProgress()
    builds = {n: since + (n - 4) * day for n in range(1, 9)}
    assert due_numbers(mark, starts(builds), since) == [4, 5, 6, 7, 8]
    for odd in (since - 90 * day, 0, 5000, since + 999 * day):
        assert due_numbers(mark, starts({**builds, 6: odd}), since) == [4, 5, 6, 7, 8]
    assert due_numbers(mark, starts({**builds, 3: 0}), since) == [3, 4, 5, 6, 7, 8]
    assert due_numbers(mark, starts({1: since - 1}), since) == []


def test_each_new_build_of_a_job_that_is_known_is_due() -> None:
    """Whatever its start says."""
    mark = JobProgress(examined=2, next_build_number=3)
    assert due_numbers(mark, starts({2: 20, 3: 0, 4: 1, 5: 50}), None) == [3, 4, 5]


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
    """A full page whose oldest build is new says nothing about the ones before; nor does one start
    before the beginning."""
    since = 1_700_000_000_000
    mark = JobProgress(examined=10)
    assert reaches_back(starts({11: 1, 12: 2}), mark, None, asked=5)
    assert reaches_back(starts({11: 1, 12: 2}), mark, None, asked=2)
    assert not reaches_back(starts({12: 1, 13: 2}), mark, None, asked=2)
    old = {n: since - 100 + n for n in range(20, 20 + OUTSIDE)}
    page = {**old, 40: since + 5}
    assert reaches_back(starts(page), JobProgress(), since, asked=len(page))
    assert not reaches_back(starts({**page, 21: since}), JobProgress(), since, asked=len(page))
    assert not reaches_back(starts({20: since - 1, 40: since}), JobProgress(), since, asked=2)


def test_numbers_without_a_build_are_counted() -> None:
    """Deleted before they were seen, or jumped over by a counter that was set."""
    assert gaps(10, 14, {9, 10, 12}) == 3
    assert gaps(10, 10, {9, 10}) == 0
    assert gaps(0, 3, {1, 2, 3}) == 0


def test_an_answer_of_another_job_covers_what_it_shows() -> None:
    """The counter was asked before, and may be of the job before."""
    mark = JobProgress(5, 6)
    assert covered_number(8, mark, {1, 2}) == 2
    assert covered_number(3, mark, {1}) == 2
    assert covered_number(1, mark, ()) == 0
