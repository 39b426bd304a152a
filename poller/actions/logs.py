"""`sei-poller logs JOB NUMBER`: an archived console log. Nothing is printed here."""

from __future__ import annotations

from poller.actions.find_build import check_only_one
from poller.core.errors import NoSuchBuild
from poller.ledger import Ledger
from poller.ledger.logs.archive import LogRow


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
