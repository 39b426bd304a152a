"""Ledgers of earlier versions."""

from __future__ import annotations

from pathlib import Path

from poller.core.build_key import BuildKey
from poller.ledger.records import BuildRow


def start(number: int, timestamp: int | None = None) -> BuildKey:
    """When a build started."""
    return BuildKey(number, timestamp or 1000 + number, 50 + number)


LEDGERS = Path(__file__).parents[1] / "ledgers"


def complete(number: int, timestamp: int | None = None) -> BuildRow:
    """A collected build."""
    payload = b'{"n":%d}' % number
    return BuildRow(start(number, timestamp), 5, "SUCCESS", "collected", None, payload)
