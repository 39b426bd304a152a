"""The log around the line that may explain a failure, as the page shows it."""

from __future__ import annotations

import pytest

from poller.status.failure_view import AROUND, LONGEST_LINE, excerpt

LOG = b"".join(b"line %d\n" % number for number in range(1, 101))


@pytest.mark.parametrize(
    ("line", "first", "last"), [(1, 1, 13), (5, 1, 17), (50, 38, 62), (95, 83, 100), (100, 88, 100)]
)
def test_lines_before_and_after(line: int, first: int, last: int) -> None:
    """As many as there are, each with its number."""
    shown = excerpt(LOG, line)
    assert [one.number for one in shown] == list(range(first, last + 1))
    assert all(one.text == f"line {one.number}" for one in shown)
    assert [one.number for one in shown if one.is_cause] == [line]


@pytest.mark.parametrize("log", [b"", b"one line", b"a\nb\n"])
def test_a_line_that_is_not_there(log: bytes) -> None:
    """As of a log that was read again since."""
    assert not any(one.is_cause and one.text for one in excerpt(log, 90))


def test_a_long_line_is_cut() -> None:
    """And so is a log of one line."""
    (one,) = excerpt(b"x" * 99_999, 1)
    assert len(one.text) == LONGEST_LINE
    assert len(excerpt((b"x" * 16_000 + b"\n") * 99, 50)) <= 2 * AROUND + 1
