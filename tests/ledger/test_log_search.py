"""What users type, and the line that is shown."""

from __future__ import annotations

import pytest

from poller.ledger.logs.search import LINE_SHOWN, MatchingLine, first_line, parse_query

TEXT = b"""[INFO] Connecting to db-1.example.com:5432
java.net.ConnectException: Connection refused
connection was refused by hand
Caused by: java.lang.OutOfMemoryError: Java heap space
nothing, refused, connection
"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("OutOfMemory", 4),
        ("outofmemoryerror heap", 4),
        ("connection refused", 2),
        ('"connection refused"', 2),
        ('"refused connection"', 5),
        ('"connection was" heap', 3),
        ("db-1.example.com:5432", 1),
        ("java.lang", 4),
        ('"java heap', 4),
        ("MemoryError", None),
        ('"heap java"', None),
        ('"space nothing"', None),
        ("connection absent", None),
    ],
)
def test_the_line_that_is_shown(query: str, expected: int | None) -> None:
    """The first with most of what was searched for; a phrase does not go over a line's end."""
    parsed = parse_query(query)
    assert parsed is not None
    line = first_line(parsed, TEXT)
    assert expected == (line and line.number)


def test_a_query_for_the_index() -> None:
    """Words only, quoted, so that no operator of FTS5 is taken from what a user types."""
    parsed = parse_query('near(a OR b) "x y" -c*')
    assert parsed is not None
    assert parsed.words == '"near" "a"* "OR"* "b"* "x" "y"* "c"*'


@pytest.mark.parametrize("text", ["", "  ", '""', "!?", '"-"'])
def test_no_word(text: str) -> None:
    """Nothing to search for."""
    assert parse_query(text) is None


def test_a_long_line_is_cut_around_what_was_found() -> None:
    """So that it is seen."""
    parsed = parse_query("needle")
    assert parsed is not None
    line = first_line(parsed, b"x " * 5_000 + b"needle" + b" y" * 5_000)
    assert line is not None
    assert "needle" in line.text
    assert len(line.text) == LINE_SHOWN + 2
    assert first_line(parsed, b"needle") == MatchingLine(1, "needle")
