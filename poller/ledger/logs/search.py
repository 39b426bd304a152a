"""Words and phrases in archived logs, for `logs --search` and the page.

The index knows words only; whether the words of a phrase stand side by side, and in which line, is
looked up in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import re2

from poller.core.errors import UsageError
from poller.core.patterns import matches

if TYPE_CHECKING:
    from poller.ledger import Ledger
    from poller.ledger.logs.archive import LogRow


_TERM = re.compile(r'"([^"]*)"?|(\S+)')
_WORD = re.compile(r"[^\W_]+")

LONGEST = 500
"""Characters that are searched for: RE2 takes a phrase of some thousand words for too large."""

LINES_CONSIDERED = 100
"""Lines with a word among which the best is chosen."""

LINE_SHOWN = 240
"""Characters of a line that are shown, around what was found."""


@dataclass(frozen=True)
class Query:
    """Words and phrases, all of which have to be in a log; case does not matter.

    A word finds what begins with it. ``a.b`` is the phrase of a and b. ``words`` is the expression
    for the index.
    """

    words: str
    terms: tuple[Any, ...]


@dataclass(frozen=True)
class MatchingLine:
    """A line of a log, from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class LogHit:
    """A log in which all that was searched for is, and the first line of it."""

    log: LogRow
    line: MatchingLine


def search_logs(
    ledger: Ledger, text: str, since: int, job: str | None, controller: str | None, limit: int
) -> tuple[list[LogHit], bool]:
    """The newest logs in which all words and phrases of ``text`` are; and whether there may be
    more than ``limit``. Raises UsageError where there is no word in ``text``, or too many;
    LedgerError."""
    if len(text) > LONGEST:
        raise UsageError(f"more than {LONGEST} characters to search for")
    query = parse_query(text)
    if query is None:
        raise UsageError(f"no word to search for in {text!r}", "letters or digits are needed")
    hits: list[LogHit] = []
    for row in ledger.logs.with_words(query.words, since):
        if controller not in (None, row.controller):
            continue
        if job is not None and not matches(row.full_name, job):
            continue
        if len(hits) == limit:
            return hits, True
        line = first_line(query, ledger.logs.text(row.build))
        if line is not None:
            hits.append(LogHit(row, line))
    return hits, False


def parse_query(text: str) -> Query | None:
    """The query that a user typed; None where there is no word in it."""
    phrases = [_WORD.findall(match[1] or match[2] or "") for match in _TERM.finditer(text)]
    phrases = [words for words in phrases if words]
    if not phrases:
        return None
    tokens = [f'"{word}"{"*" if word is words[-1] else ""}' for words in phrases for word in words]
    return Query(" ".join(tokens), tuple(_pattern(words) for words in phrases))


def _pattern(words: list[str]) -> Any:
    """Matches the words side by side within a line; the last may go on."""
    options = re2.Options()
    options.never_nl = True
    options.log_errors = False
    side_by_side = r"[^\pL\pN]+".join(map(re2.escape, words))
    return re2.compile(rf"(?im)(?:^|[^\pL\pN])({side_by_side})", options)


def first_line(query: Query, text: bytes) -> MatchingLine | None:
    """The first line with most of the terms; None when one of them is nowhere in the text."""
    found: dict[int, int] = {}
    for term in query.terms:
        lines = set(_lines_with(term, text))
        if not lines:
            return None
        for line in lines:
            found[line] = found.get(line, 0) + 1
    best = min(found, key=lambda line: (-found[line], line))
    return MatchingLine(best + 1, _shown(query, text.split(b"\n", best + 1)[best].decode()))


def _lines_with(term: Any, text: bytes) -> Iterator[int]:
    """The first lines, from 0, that have it: enough to find one that has other terms, too."""
    line, at = 0, 0
    for match in islice(term.finditer(text), LINES_CONSIDERED):
        line += text.count(b"\n", at, match.start(1))
        at = match.start(1)
        yield line


def _shown(query: Query, line: str) -> str:
    """The line, cut around what was found where it is long."""
    if len(line) <= LINE_SHOWN:
        return line
    places = [match.start(1) for term in query.terms if (match := term.search(line))]
    start = max(0, min(places, default=0) - LINE_SHOWN // 4)
    end = start + LINE_SHOWN
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")
