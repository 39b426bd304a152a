"""`sei-poller logs JOB NUMBER`: an archived log, of the build or of a failed step; what may have
made it fail. Nothing is printed here."""

from __future__ import annotations

from dataclasses import dataclass

from poller.actions.find_build import FULL_NAME, check_only_one
from poller.core.errors import NoSuchBuild
from poller.ledger import Ledger
from poller.ledger.logs.archive import LogRow
from poller.ledger.logs.failures import FirstCause
from poller.ledger.logs.steps import StepLogRow


def archived(
    ledger: Ledger, full_name: str, number: int, controller: str | None
) -> tuple[LogRow, bytes]:
    """What is kept of a build's log, and its text. Raises NoSuchBuild; UsageError where several
    controllers have such a build; LedgerError."""
    rows = [
        row
        for row in ledger.logs.of_build(full_name, number)
        if controller in (None, row.controller)
    ]
    if not rows:
        raise NoSuchBuild(
            f"no console log of {full_name} #{number} is kept",
            'is it a build that `logs = "failed"` or "all" keeps? --follow reads it from Jenkins',
        )
    check_only_one(sorted(row.controller for row in rows), full_name, number)
    return rows[0], ledger.logs.text(rows[0].build)


def last_lines(text: bytes, count: int | None) -> bytes:
    """The last lines; all without ``count``."""
    if count is None:
        return text
    at = len(text)
    for _ in range(count + 1):
        at = text.rfind(b"\n", 0, at)
        if at < 0:
            return text
    return text[at + 1 :]


@dataclass(frozen=True)
class KeptStepLog:
    """The log of a failed step, and its text."""

    row: StepLogRow
    text: bytes


def step_logs(
    ledger: Ledger,
    build: int,
    what: str,
    part: tuple[str | None, str | None],
    tail: int | None = None,
) -> list[KeptStepLog]:
    """The kept logs of a build's failed steps, or the last ``tail`` lines of each: of one stage by
    its name or id, of one step by its id (``part``: None for any). ``build`` is its id in the
    ledger, ``what`` its name. Raises NoSuchBuild, which says which logs are there; LedgerError."""
    stage, step = part
    rows = ledger.step_logs.of_build(build)
    found = [
        row
        for row in rows
        if stage in (None, row.of.stage_name, row.of.stage) and step in (None, row.of.step)
    ]
    if not found:
        names = [f"{row.of.stage_name} ({row.of.step or row.of.stage})" for row in rows]
        there = (
            f"kept are those of {', '.join(names)}" if rows else "none is; its console log may be"
        )
        raise NoSuchBuild(f"no such step log of {what} is kept", there)
    return [
        KeptStepLog(row, last_lines(ledger.step_logs.text(build, row.place), tail)) for row in found
    ]


def cause_of(ledger: Ledger, build: int, what: str) -> FirstCause:
    """What may have made a build fail; see :func:`step_logs`."""
    cause = ledger.failures.cause(build)
    if cause is None:
        raise NoSuchBuild(
            f"of {what} no cause is known", 'did it fail? With `logs = "failed"` its log is kept'
        )
    return cause


def find_recorded(ledger: Ledger, full_name: str, number: int, controller: str | None) -> int:
    """The id of a build that the ledger has. Raises NoSuchBuild; UsageError where several
    controllers have such a build; LedgerError."""
    found = [
        (name, build)
        for name, build in ledger.failures.builds(full_name, number)
        if controller in (None, name)
    ]
    if not found:
        raise NoSuchBuild(f"{full_name} #{number} is not in the ledger", FULL_NAME)
    check_only_one(sorted(name for name, _ in found), full_name, number)
    return found[0][1]
