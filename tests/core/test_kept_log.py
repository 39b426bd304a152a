"""Head and tail of what is too long to keep."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from poller.core.kept_log import HeadAndTail


def numbered(count: int) -> list[bytes]:
    """Lines of ten bytes."""
    return [b"line %04d\n" % n for n in range(count)]


def excerpt(parts: list[bytes], limit: int) -> HeadAndTail:
    """One that has taken all parts."""
    kept = HeadAndTail(limit)
    for part in parts:
        kept.add(part)
    return kept


def test_what_fits_stays_whole() -> None:
    """To the last byte of the limit."""
    lines = numbered(40)
    assert b"".join(lines) == excerpt(lines, 400).text()
    assert excerpt(lines, 400).left_out == 0


def test_the_gap_says_how_much_is_left_out() -> None:
    """A quarter is head, the rest tail."""
    kept = excerpt(numbered(100), 400)
    lines = kept.text().decode().splitlines()
    assert lines[:11] == [*(f"line {n:04}" for n in range(10)), lines[10]]
    assert lines[10] == "[... 60 lines, 600 bytes left out here ...]"
    assert lines[11:] == [f"line {n:04}" for n in range(70, 100)]
    assert (kept.size, kept.left_out) == (1000, 600)


@given(st.lists(st.integers(0, 90), max_size=200), st.integers(40, 2000), st.integers(1, 50))
def test_nothing_is_lost_unsaid(lengths: list[int], limit: int, at_once: int) -> None:
    """Kept and left out are all; what is kept is no more than the limit, and whole lines."""
    lines = [
        (b"%d " % n)[:length] + b"x" * max(0, length - 4) + b"\n"
        for n, length in enumerate(lengths)
    ]
    parts = [b"".join(lines[i : i + at_once]) for i in range(0, len(lines), at_once)]
    kept = excerpt(parts, limit)
    text = kept.text()
    gap = re.search(rb"\[\.\.\. ([\d,]+) lines, ([\d,]+) bytes left out here \.\.\.\]\n", text)
    whole = b"".join(lines)
    if gap is None:
        assert text == whole
        return
    head, tail = text[: gap.start()], text[gap.end() :]
    out_lines, out = (int(number.replace(b",", b"")) for number in gap.groups())
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + len(tail) <= limit
    assert len(head) + len(tail) + out == len(whole) == kept.size
    assert text.count(b"\n") - 1 + out_lines == len(lines)
    assert head == b"" or head.endswith(b"\n")


def test_memory_is_bounded() -> None:
    """However much is added."""
    kept = HeadAndTail(10_000)
    for _ in range(10_000):
        kept.add(b"x" * 999 + b"\n")
    assert sum(map(len, kept._tail)) <= 7_500 + 1_000
    assert kept.size == 10_000_000
