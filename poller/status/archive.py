"""The console logs that the page searches and shows."""

from __future__ import annotations

from dataclasses import dataclass

from poller import read_logs
from poller.errors import UsageError
from poller.ledger import Ledger

SHOWN = 64 * 1024
"""Characters of a log that a build's page shows; the whole is in the file behind the link."""


@dataclass(frozen=True)
class Hit:
    """A log that was found: its build's id and name, and the line in which it was found."""

    build: int
    controller: str
    full_name: str
    number: int
    excerpt: str


def search_logs(ledger: Ledger, text: str, limit: int) -> list[Hit]:
    """The newest builds in whose log all words and phrases of ``text`` are. Raises LedgerError."""
    try:
        hits, _ = read_logs.search(ledger, text, 0, None, None, limit)
    except UsageError:
        return []  # there is no word in it
    return [
        Hit(h.log.build, h.log.controller, h.log.full_name, h.log.number, h.line.text.strip())
        for h in hits
    ]


def read_log(ledger: Ledger, build: int) -> str | None:
    """The log of a build, None when none is kept. Raises LedgerError."""
    return ledger.logs.text(build).decode() or None


def last_part(log: str) -> str:
    """The end of a log, where it says why it failed, in whole lines."""
    if len(log) <= SHOWN:
        return log
    end = log[-SHOWN:]
    return "…\n" + end[end.find("\n") + 1 :]
