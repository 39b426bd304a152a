"""What the page of a build shows of its failure: the cause with its place in the log, the logs of
failed steps, failed tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from poller.ledger import Ledger
from poller.ledger.logs.failures import FailedTest, FirstCause
from poller.ledger.logs.steps import StepLogRow

AROUND = 12
"""Lines that are shown before the one that explains the failure, and after it."""

LONGEST_LINE = 1_000
"""Characters of a line that are shown."""

TESTS_SHOWN = 20


@dataclass(frozen=True)
class ExcerptLine:
    """A line of a log, from 1; ``is_cause`` of the one that explains the failure."""

    number: int
    text: str
    is_cause: bool


@dataclass(frozen=True)
class FailureView:
    """``excerpt`` is the log around the cause, empty where it stands in no log; ``more_tests``
    counts those that are kept and not shown."""

    cause: FirstCause | None
    excerpt: Sequence[ExcerptLine]
    logs: Sequence[StepLogRow]
    tests: Sequence[FailedTest]
    more_tests: int


def failure_view(ledger: Ledger, build: int) -> FailureView | None:
    """Of the build with that id; None where nothing is known of a failure. Raises LedgerError."""
    cause, tests = ledger.failures.cause(build), ledger.failures.tests(build)
    logs = ledger.step_logs.of_build(build)
    if cause is None and not tests and not logs:
        return None
    lines: list[ExcerptLine] = []
    if cause is not None and cause.line is not None:
        place = cause.place
        text = ledger.logs.text(build) if place is None else ledger.step_logs.text(build, place)
        lines = excerpt(text, cause.line)
    return FailureView(cause, lines, logs, tests[:TESTS_SHOWN], len(tests[TESTS_SHOWN:]))


def excerpt(text: bytes, line: int) -> list[ExcerptLine]:
    """The lines of a log around one of them, which is counted from 1."""
    first = max(1, line - AROUND)
    at = 0
    for _ in range(first - 1):
        at = text.find(b"\n", at) + 1
        if not at:
            return []
    lines = text[at : at + 2 * AROUND * 16 * 1024].split(b"\n")
    return [
        ExcerptLine(number, raw.decode("utf-8", "replace")[:LONGEST_LINE], number == line)
        for number, raw in enumerate(islice(lines, line - first + AROUND + 1), first)
        if raw or number <= line
    ]


def step_log(ledger: Ledger, build: int, place: int) -> str | None:
    """The log of a failed step, None when none is kept. Raises LedgerError."""
    return ledger.step_logs.text(build, place).decode("utf-8", "replace") or None
