"""The console logs that the page searches and shows."""

from __future__ import annotations

from dataclasses import dataclass

from poller.errors import UsageError
from poller.ledger import Ledger
from poller.read_logs import search

SHOWN = 64 * 1024
"""Characters of a log that a build's page shows; the whole is in the file behind the link."""


@dataclass(frozen=True)
class Hit:
    """A log that was found: its build's id and name, and the text around what was found."""

    build: int
    controller: str
    full_name: str
    number: int
    excerpt: str


def find(ledger: Ledger, text: str, limit: int) -> list[Hit]:
    """The newest builds whose log has all words of the text. Raises LedgerError."""
    try:
        found, _more = search(ledger, text, 0, None, None, limit)
    except UsageError:  # there is no word in the text
        return []
    return [
        Hit(
            hit.log.build,
            hit.log.controller,
            hit.log.full_name,
            hit.log.number,
            f"{hit.line.number}: {hit.line.text.strip()}",
        )
        for hit in found
    ]


def read(ledger: Ledger, build: int) -> str | None:
    """The log of a build, None when none is kept. Raises LedgerError."""
    return ledger.logs.text(build).decode("utf-8", "replace") or None


def last_part(log: str) -> str:
    """The end of a log, where it says why it failed, in whole lines."""
    if len(log) <= SHOWN:
        return log
    end = log[-SHOWN:]
    return "…\n" + end[end.find("\n") + 1 :]
