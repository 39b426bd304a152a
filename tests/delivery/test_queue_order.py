"""Which delivery is next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poller.delivery.queue_order import QueueOrder


def test_the_oldest_of_all_jobs_that_are_free() -> None:
    """One of a job at once; where nothing is free there is no next."""
    lineup = QueueOrder()
    lineup.add([(1, 7), (2, 7), (3, 8)])
    assert (lineup.next(), lineup.next(), lineup.next()) == ((1, 7), (3, 8), None)
    lineup.done(8)
    assert lineup.next() is None
    lineup.done(7)
    assert lineup.next() == (2, 7)


def test_a_job_that_is_held_stays_out() -> None:
    """What of it stands in line goes, and nothing more of it comes in."""
    lineup = QueueOrder()
    lineup.add([(1, 7), (2, 7)])
    assert lineup.next() == (1, 7)
    lineup.hold(7)
    lineup.add([(3, 7), (4, 8)])
    assert (lineup.waiting, lineup.free_jobs) == (1, 1)
    assert lineup.next() == (4, 8)


@given(
    st.lists(st.integers(1, 5), max_size=60),
    st.lists(st.tuples(st.sampled_from(["add", "next", "done", "hold"]), st.integers(0, 9))),
)
def test_each_goes_once_and_in_its_jobs_order(
    jobs: list[int], plays: list[tuple[str, int]]
) -> None:
    """Whatever the order of things: once each, ascending in a job, one of a job at once."""
    lineup, coming = QueueOrder(), list(enumerate(jobs, 1))
    under_way: list[int] = []
    gone: list[tuple[int, int]] = []
    held: set[int] = set()

    def take() -> None:
        if (following := lineup.next()) is not None:
            assert following[1] not in under_way
            assert following[1] not in held
            under_way.append(following[1])
            gone.append(following)

    for play, number in plays:
        if play == "add":
            lineup.add(coming[:number])
            del coming[:number]
        elif play == "next":
            take()
        elif under_way:
            job = under_way.pop(number % len(under_way))
            (lineup.done if play == "done" else lineup.hold)(job)
            held |= {job} if play == "hold" else set()
    lineup.add(coming)
    while under_way or lineup.free_jobs:
        take()
        lineup.done(under_way.pop())
    assert lineup.waiting == 0
    assert len(gone) == len(set(gone))
    for job in set(jobs):
        of_job = [delivery for delivery, owner in gone if owner == job]
        every = [place for place, owner in enumerate(jobs, 1) if owner == job]
        assert of_job == sorted(of_job)
        assert job in held or of_job == every
