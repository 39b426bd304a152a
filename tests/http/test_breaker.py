"""When a circuit opens and when the server is tried again: no server, no clock."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from poller.http.breaker import Breaker, BreakerFailure, BreakerPolicy, BreakerState
from poller.jenkins.request_limiter import breaker_policy, starting_policy

RULES = BreakerPolicy(failures=3, first=30, longest=300, max_retry_after=300)
SECOND = 1000


def down(at: int = 0, retry_after: float | None = None, *, jitter: float = 0.999) -> BreakerFailure:
    """One failure."""
    return BreakerFailure(at, "HTTP 502", jitter, retry_after)


def opened(at: int = 0, retry_after: float | None = None) -> Breaker:
    """Open since three failures."""
    breaker = Breaker()
    for _ in range(3):
        breaker = breaker.failed(down(at, retry_after), RULES)
    return breaker


def test_only_failures_in_a_row_open_it() -> None:
    """An answer between them starts the count anew."""
    breaker = Breaker()
    for _ in range(5):
        breaker = breaker.failed(down(), RULES).failed(down(), RULES)
        assert breaker.closed
        breaker = breaker.succeeded(1)
    assert opened().state is BreakerState.OPEN
    assert opened().why == "HTTP 502"


def test_one_that_leaves_no_doubt_opens_it_at_once() -> None:
    """Jenkins' page of before it works; SEI's 401."""
    assert Breaker().failed(replace(down(), at_once=True), RULES).state is BreakerState.OPEN


def test_one_try_closes_it_or_opens_it_for_longer() -> None:
    """It remembers since when the server is away."""
    breaker, waits = opened(5), []
    for _ in range(8):
        waits.append(breaker.wait(breaker.since, RULES))
        trying = breaker.half_opened()
        assert trying.state is BreakerState.HALF_OPEN
        assert trying.succeeded(9) == Breaker(since=9)
        breaker = trying.failed(down(5), RULES)
        assert (breaker.state, breaker.since) == (BreakerState.OPEN, 5)
    assert [round(wait) for wait in waits] == [30, 60, 120, 240, 300, 300, 300, 300]


def test_what_was_under_way_when_it_opened_makes_no_wait_longer() -> None:
    """Requests at once fail at once."""
    assert opened().failed(down(10), RULES) == opened()


@given(st.floats(0, 10**6), st.floats(0, 1, exclude_max=True), st.integers(0, 100))
def test_it_comes_back_by_itself(retry_after: float, jitter: float, tries: int) -> None:
    """Whatever the server asks for and however often it failed, in a bounded time."""
    breaker = replace(opened(), tries=tries).half_opened()
    breaker = breaker.failed(down(0, retry_after, jitter=jitter), RULES)
    assert 15 <= breaker.wait(0, RULES) <= 300
    assert breaker.wait(0, RULES) >= min(retry_after, 300) - 0.001


def test_a_clock_that_was_set_back_prolongs_nothing() -> None:
    """A wait is never longer than the longest."""
    assert opened(10**12).wait(0, RULES) == 300


def test_another_process_begins_with_one_try() -> None:
    """Not with its usual work, and not after the rest of the wait; it counts on."""
    left = replace(opened(5), tries=3)
    for state in (left, left.half_opened()):
        again = state.resumed(700)
        assert (again.state, again.since, again.tries) == (BreakerState.OPEN, 5, 3)
        assert again.wait(700, RULES) == 0
    counted = Breaker().failed(down(), RULES)
    assert counted.resumed(9) == counted


@given(st.floats(1, 86_400))
def test_a_controller_that_is_away_is_asked_no_more_often_than_one_that_is_well(
    every: float,
) -> None:
    """A poll without news is two requests an interval; tries are at most that, after a dozen that
    come sooner, at any interval that is configured."""
    breaker, now, asked = Breaker(), 0, 0
    while now < 20 * every * SECOND:
        if breaker.closed:
            now += int(every * SECOND)
        else:
            now += int(breaker.wait(now, breaker_policy(every)) * SECOND)
        breaker = breaker.half_opened().failed(down(now, jitter=0.0), breaker_policy(every))
        asked += 1
    assert asked <= 2 * 20 + 12


def test_one_that_starts_is_tried_every_few_seconds() -> None:
    """Not rarer the longer it takes."""
    breaker, waits = Breaker(), []
    for _ in range(6):
        failure = replace(down(breaker.next_try or 0), at_once=True)
        breaker = breaker.half_opened().failed(failure, starting_policy(60))
        waits.append(breaker.wait(failure.at, breaker_policy(60)))
    assert [round(wait) for wait in waits] == [5, 10, 15, 15, 15, 15]
