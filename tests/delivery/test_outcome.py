"""What an answer means, and how long to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.core.times import backoff
from poller.delivery.outcome import REJECTIONS_TO_STOP, PassResult, ResponseKind, response_kind
from poller.delivery.sink import Receipt


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, ResponseKind.DELIVERED), (202, ResponseKind.DELIVERED), (204, ResponseKind.DELIVERED),
        (302, ResponseKind.STOP), (400, ResponseKind.REJECTED), (401, ResponseKind.STOP), (403, ResponseKind.STOP),
        (404, ResponseKind.REJECTED), (408, ResponseKind.RETRY), (413, ResponseKind.REJECTED),
        (422, ResponseKind.REJECTED), (425, ResponseKind.RETRY), (429, ResponseKind.RETRY),
        (500, ResponseKind.RETRY), (503, ResponseKind.RETRY), (599, ResponseKind.RETRY),
    ],
)  # fmt: skip
def test_verdict(status: int, expected: ResponseKind) -> None:
    """Delivered, refused for good, to be tried again, or the whole sink is to wait."""
    assert expected is response_kind(status)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_grows_and_is_bounded(failures: int, jitter: float) -> None:
    """Between half and the whole of the doubled wait, never past the longest."""
    wait = backoff(failures, first=1, longest=60, jitter=jitter)
    assert 0.5 <= wait <= 60
    assert wait <= 2.0 ** min(failures - 1, 32)


def test_a_delivery_shows_that_the_sink_is_up() -> None:
    """One run that always fails doesn't stop the others."""
    done = PassResult()
    for _ in range(10):
        done.note_failure("HTTP 500", None, 1, 0.5)
        done.note_delivered(2)
    assert not done.stopped
    assert not done.clean


def test_many_rejections_in_a_row_stop_the_sink() -> None:
    """A wrong setting must not refuse a whole history."""
    done = PassResult()
    for _ in range(REJECTIONS_TO_STOP):
        assert not done.stopped
        done.note_rejected(Receipt(400), 1, 0.5)
    assert "HTTP 400" in done.stopped


def test_the_longest_wait_that_was_asked_for_counts() -> None:
    """Several runs are under way at once: a failure that says nothing takes no Retry-After back."""
    done = PassResult()
    for retry_after in (120.0, None, 30.0):
        done.note_failure("HTTP 429", retry_after, now=1_000, jitter=0.0)
    assert done.wait(1_000) == 120
