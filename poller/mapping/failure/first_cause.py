"""The one line that explains why a build failed: a hint with its place, no verdict. Pure.

A log is looked at from its end, as far back as :data:`LOOKED_AT`. What the failed step wrote counts
more than what stands elsewhere, and an exit code less than all else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import re2

from poller.core.escape import clip
from poller.ledger.logs.failures import FirstCause
from poller.ledger.logs.steps import StepRef
from poller.mapping.failure.cause_patterns import (
    ERROR,
    EXCEPTION,
    EXIT_CODE,
    STAMP,
    TABLE,
    TESTS,
    UNKNOWN,
    CauseRow,
)

LOOKED_AT = 256 * 1024
"""Bytes of a log, from its end."""

LAST_LINES = 500
"""Lines that are looked at one by one where no pattern matches."""

RETRIED_WITHIN = 8 * 1024
"""Bytes after an error, its stack and all, in which it may be said that it is tried again."""

LEFT_OUT = b"[... "
"""What a line begins with that stands for what is not there of a log."""

LONGEST = 300
"""Characters of a cause."""

_BEFORE = rf"^{STAMP}(?:#\d+ \d+\.\d+ )?(?:[ \t]*\[[^\]\n]{{1,80}}\] )??"
"""What the Timestamper, Docker's BuildKit, Ant, and a parallel branch put before a line."""

_ERROR_WORDS = re2.compile(
    r"(?i)(?:^|[\s(\[\"'`:!|*>])(?:errors?|fatal|failed|failure|denied|refused)"
    r"(?:$|[\s)\]\"'`:,;!|*]|\.(?:\s|$))"
)
"""No part of a name, an option or an assignment."""

_NO_ERROR = re2.compile(
    r"^(?:\[[^\]\n]{1,80}\] )?(?:\+ |\[Pipeline\]|Finished: )|(?i)^(?:\S+: )?\W*warn"
    r"|\b(?:0|no) (?:\w+ )?(?:errors?|failed|failures?)\b|\b(?:errors?|failed|failures?) ?[:=] ?0\b"
    r"|\b(?:on|if|for|when) (?:an? )?(?:error|failure)|\bfailure threshold|\berror handling"
)
"""Lines that have such a word and tell of no error: a command as the shell echoes it, a sum."""

_SUM = re2.compile(
    r"(?i)^\W*(?:found )?\d+ (?:errors?|failed|failures?|failing|problems?)\b|^\W*failed! "
    r"|^test(?:s| suites| files):? .*\d failed|^errors? (?:while|generated)\b"
    r"|\bencountered errors\b|^\W*(?:failure: )?build failed\b"
)
"""It says that something failed before, and not what."""

_JENKINS_OWN = re2.compile(
    r"^\s*$|^\[Pipeline\]|^Started by |^Finished: |^\[\.\.\. |^\s+at |^\[Checks API\] "
    r"|^(?:Recording test results|Archiving artifacts|Terminated|Sending interrupt signal .*)$"
)
"""And frames of a stack."""

_RETRIED = re2.compile(r"(?i)(?:^|[\](,.;:-] ?)retrying\b|\bwill retry\b")
_OF_AN_ERROR = re2.compile(r"^(?:\s|Caused |\S+Exception\b|std(?:out|err): |$)")
"""Lines that go on with what an error says: a stack, what a command wrote."""


def _compiled(row: CauseRow) -> Any:
    """All patterns of a row as one: what it finds is the first line that any of them has."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 * 2**20
    return re2.compile(f"(?m){_BEFORE}({'|'.join(row.patterns)})$", options)


_STAMPED = re2.compile(f"^{STAMP}")
_ROWS = [(row, _compiled(row)) for row in (*TABLE, EXIT_CODE)]
_SPECIFIC, _ANYWHERE = _ROWS[:-1], [one for one in _ROWS if one[0].anywhere]


@dataclass(frozen=True)
class CauseText:
    """A text to look in: masked, in whole lines. ``of`` and ``place`` are those of a step log;
    ``is_log`` is False for a message of the stage tree."""

    text: bytes
    of: StepRef | None = None
    place: int | None = None
    is_log: bool = True


@dataclass(frozen=True)
class Failed:
    """A build that failed: the logs of its failed steps, what failed first first; the messages that
    the stage tree has; its console log, empty where none is kept; how many of its tests failed, and
    how many it ran."""

    result: str
    logs: Sequence[CauseText] = ()
    messages: Sequence[CauseText] = ()
    console: bytes = b""
    tests: tuple[int, int] = (0, 0)


def first_cause(failed: Failed) -> FirstCause | None:
    """The line that explains the failure. None where there is no text at all."""
    return next(_candidates(failed), None)


def _candidates(failed: Failed) -> Iterator[FirstCause]:
    console = [CauseText(failed.console)] if failed.console else []
    logs = failed.logs or console
    if failed.result == "ABORTED":
        yield from _matches(console, _ANYWHERE)
    yield from _matches([*logs, *failed.messages], _SPECIFIC)
    yield from _matches(console, _ANYWHERE)
    yield from _own_messages(failed.messages)
    if failed.result == "UNSTABLE" and failed.tests[0]:
        yield FirstCause("{:,} of {:,} tests failed".format(*failed.tests), TESTS)
    for text in logs:
        yield from _last_line(text, ERROR, _has_error)
    for text in logs:
        yield from _last_line(text, ERROR, _is_sum)
    yield from _matches([*logs, *failed.messages, *console], _ROWS[-1:])
    for text in logs:
        yield from _last_line(text, UNKNOWN, _says_something)
    if failed.logs and console:  # they say nothing at all
        yield from _candidates(replace(failed, logs=(), messages=()))


def _matches(
    texts: Iterable[CauseText], rows: Sequence[tuple[CauseRow, Any]]
) -> Iterator[FirstCause]:
    """The first match of the first row that has one, text by text."""
    for text in texts:
        start = max(0, len(text.text) - LOOKED_AT)
        looked_at = text.text[start:]
        for row, pattern in rows:
            for match in pattern.finditer(looked_at):
                # The inner one, where its pattern has one.
                group = next(n for n in range(pattern.groups, 0, -1) if match.start(n) >= 0)
                says_why = row.category != EXCEPTION or not _says_code(match[group])
                if says_why and not _is_retried(looked_at, match.start(group)):
                    yield _cause(text, row.category, match[group], start + match.start(group))
                    break


def _is_retried(text: bytes, at: int) -> bool:
    """Whether the line at that place, or the first after it that is none of the same error, says
    that it is tried once more."""
    line, *following = text[at : at + RETRIED_WITHIN].split(b"\n")
    after = next((one for one in following if not _OF_AN_ERROR.search(one)), b"")
    return any(_RETRIED.search(one) is not None for one in (line, after))


def _own_messages(messages: Iterable[CauseText]) -> Iterator[FirstCause]:
    """Those that a Jenkinsfile, or a step, gave: an exit code alone explains nothing."""
    for message in messages:
        if next(_matches([message], _ROWS[-1:]), None) is None:
            yield _cause(message, ERROR, message.text, 0)


def _last_line(text: CauseText, category: str, wanted: Any) -> Iterator[FirstCause]:
    end = len(text.text)
    for _ in range(LAST_LINES):
        start = text.text.rfind(b"\n", 0, end) + 1
        line = text.text[start:end]
        if line.startswith(LEFT_OUT):
            return  # what stands before it is not the end
        line = line[_STAMPED.match(line).end() :]
        if wanted(line) and not _is_retried(text.text, start):
            yield _cause(text, category, line, start)
            return
        if not start:
            return
        end = start - 1


def _has_error(line: bytes) -> bool:
    if not _ERROR_WORDS.search(line) or _NO_ERROR.search(line) or _SUM.search(line):
        return False
    return not _says_code(line)


def _says_code(line: bytes) -> bool:
    """An exit code explains nothing, in Jenkins' AbortException neither."""
    return _ROWS[-1][1].search(line) is not None


def _is_sum(line: bytes) -> bool:
    return _SUM.search(line) is not None and _NO_ERROR.search(line) is None


def _says_something(line: bytes) -> bool:
    return _JENKINS_OWN.search(line) is None


def _cause(text: CauseText, category: str, line: bytes, at: int) -> FirstCause:
    said = " ".join(line.decode("utf-8", "replace").split())
    number = text.text.count(b"\n", 0, at) + 1 if text.is_log else None
    return FirstCause(clip(said, LONGEST), category, text.of, text.place, number)
