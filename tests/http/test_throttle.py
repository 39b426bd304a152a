"""How many requests at once, by how fast they are answered: no server, no clock."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from poller.http.throttle import WINDOW, Throttle


def answer(
    throttle: Throttle, seconds: float, windows: int = 1, *, kind: str = "builds", now: float = 0
) -> None:
    """So many windows of answers that took so long, one after the other."""
    for place in range(windows * WINDOW):
        throttle.note(kind, seconds, now + place * seconds)


def test_twice_as_slow_is_asked_more_slowly_and_recovers() -> None:
    """Halved down to one, and one more each time when it is over."""
    throttle = Throttle(8)
    answer(throttle, 0.1, 3)
    assert throttle.limit == 8
    seen = []
    for _ in range(5):
        answer(throttle, 0.25, now=10)
        seen.append(throttle.limit)
    assert seen == [4, 2, 1, 1, 1]
    for _ in range(9):
        answer(throttle, 0.1, now=20)
        seen.append(throttle.limit)
    assert seen[5:] == [2, 3, 4, 5, 6, 7, 8, 8, 8]


@given(st.floats(0.0001, 30))
def test_one_that_is_always_slow_is_not_slow(seconds: float) -> None:
    """A server is compared with itself."""
    throttle = Throttle(4)
    answer(throttle, seconds, 10)
    assert throttle.limit == 4


def test_a_few_late_answers_say_nothing() -> None:
    """Nor do answers that vary: the middle one counts."""
    throttle, dice = Throttle(4), random.Random(1)
    answer(throttle, 0.1, 3)
    for _ in range(20 * WINDOW):
        throttle.note("builds", 5.0 if dice.random() < 0.2 else 0.1 * dice.uniform(0.5, 1.5), 9)
    assert throttle.limit == 4


def test_what_nobody_notices_is_not_slow() -> None:
    """Two milliseconds that become ten."""
    throttle = Throttle(4)
    answer(throttle, 0.002, 3)
    answer(throttle, 0.010, 3)
    assert throttle.limit == 4


def test_only_like_is_compared_with_like() -> None:
    """A tree of 10,000 jobs takes longer than one stage tree; both are as usual."""
    throttle = Throttle(4)
    for _ in range(5):
        answer(throttle, 0.01, kind="describe")
        answer(throttle, 3.0, kind="tree")
    assert throttle.limit == 4


def test_what_stays_slow_becomes_usual() -> None:
    """In the course of an hour, not in that of a backfill's next minute."""
    throttle = Throttle(4)
    answer(throttle, 0.1, 3)
    answer(throttle, 0.3, 4, now=10)
    assert throttle.limit == 1
    answer(throttle, 0.3, 20, now=60)
    assert throttle.limit == 1
    for minute in range(0, 240, 5):
        answer(throttle, 0.3, now=100 + 60 * minute)
    assert throttle.limit == 4


def test_it_begins_with_one_after_an_outage() -> None:
    """And grows from there."""
    throttle = Throttle(4)
    throttle.start_slowly()
    assert throttle.limit == 1
    answer(throttle, 0.1, 3)
    assert throttle.limit == 4
