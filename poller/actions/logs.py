"""`sei-poller logs JOB NUMBER`: an archived console log. Nothing is printed here."""

from __future__ import annotations

from poller.core.errors import NoSuchBuild, UsageError
from poller.ledger import Ledger
from poller.ledger.logs import LogRow


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
    names = sorted({row.controller for row in rows})
    if len(names) > 1:
        raise UsageError(
            f"{full_name} #{number} is on {', '.join(names)}", "say which with --controller NAME"
        )
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
