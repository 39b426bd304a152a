"""Ledgers of earlier versions."""

from __future__ import annotations

from pathlib import Path

from poller.ledger.records import BuildRow
from tests.ledger.test_ledger import start

LEDGERS = Path(__file__).parents[1] / "ledgers"


def complete(number: int, timestamp: int | None = None) -> BuildRow:
    """A collected build."""
    payload = b'{"n":%d}' % number
    return BuildRow(start(number, timestamp), 5, "SUCCESS", "collected", None, payload)
