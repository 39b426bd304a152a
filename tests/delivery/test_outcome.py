"""What a pass says of a sink, and how long to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.core.times import backoff
from poller.delivery.outcome import FIRST_PAUSE, REJECTIONS_TO_STOP, PassResult
from poller.delivery.retry_wait import LONGEST_OWN_WAIT, LONGEST_WAIT, run_wait
from poller.http.breaker import Breaker, BreakerFailure, BreakerState

FAILED = BreakerFailure(1_000, "HTTP 500", 0.0)


def paused(seconds: float) -> BreakerFailure:
    """A failure with Retry-After."""
    return BreakerFailure(1_000, "HTTP 429", 0.0, seconds, at_once=True)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_grows_and_is_bounded(failures: int, jitter: float) -> None:
    """Between half and the whole of the doubled wait, never past the longest."""
    wait = backoff(failures, first=1, longest=60, jitter=jitter)
    assert 0.5 <= wait <= 60
    assert wait <= 2.0 ** min(failures - 1, 32)


@given(st.integers(1, 10_000), st.floats(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_run_waits_by_itself(tries: int, asked: float, jitter: float) -> None:
    """No longer than the sink would where the fault may be the sink's; what the receiver asks for
    one run it gets, within bounds."""
    assert run_wait(tries, asked, jitter, own=False) <= LONGEST_WAIT
    own = run_wait(tries, asked, jitter, own=True)
    assert min(asked, LONGEST_OWN_WAIT) <= own <= LONGEST_OWN_WAIT


def test_a_delivery_shows_that_the_sink_is_up() -> None:
    """Runs that always fail don't stop the others."""
    done = PassResult()
    for job in range(10):
        done.note_failure(job, FAILED, "", own=False)
        done.note_delivered(2)
    assert not done.stopped
    assert not done.away
    assert not done.clean


def test_different_jobs_open_the_circuit() -> None:
    """One that fails again and again does not, nor those that fail while others are delivered."""
    done = PassResult()
    for _ in range(9):
        done.note_failure(1, FAILED, "", own=False)
    for job in range(2, 9):
        done.note_failure(job, FAILED, "", own=True)
    assert done.breaker.closed
    for job in (2, 3):
        done.note_failure(job, FAILED, "why", own=False)
    assert (done.breaker.closed, done.stopped, done.hint) == (False, "HTTP 500", "why")


def test_many_rejections_in_a_row_stop_the_sink() -> None:
    """A wrong setting must not refuse a whole history."""
    done = PassResult()
    for _ in range(REJECTIONS_TO_STOP):
        assert not done.stopped
        done.note_rejected("HTTP 400", 1, 0.5)
    assert "HTTP 400" in done.stopped


def test_retry_after_pauses_at_once_and_a_delivery_after_it_clears_it() -> None:
    """It is the receiver's word, until it shows otherwise."""
    done = PassResult()
    done.note_failure(1, paused(3_600), "", own=False)
    assert (done.wait(1_000), done.stopped) == (FIRST_PAUSE, "HTTP 429")
    done.breaker = done.breaker.half_opened()
    done.note_failure(2, paused(3_600), "", own=False)
    assert done.wait(1_000) == 3_600, "two say so"
    done.note_delivered(2)
    assert (done.wait(1_000), done.stopped, done.breaker.closed) == (None, "", True)
    done.note_failure(1, paused(3_600), "", own=True)
    assert done.breaker.closed, "one run's own"


@pytest.mark.parametrize("seconds", [5.0, 86_400.0])
def test_a_pause_is_as_long_as_asked_for(seconds: float) -> None:
    """Several runs are under way at once: a failure that says nothing takes no Retry-After back."""
    done = PassResult(Breaker(BreakerState.HALF_OPEN))
    done.note_failure(1, paused(seconds), "", own=False)
    done.note_failure(2, FAILED, "", own=False)
    assert done.wait(1_000) == seconds
