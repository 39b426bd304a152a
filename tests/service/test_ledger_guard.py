"""What the service does while its ledger can't be written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from poller.core.errors import LedgerError, LedgerUnwritable
from poller.ledger import Ledger
from poller.service.ledger_guard import LedgerGuard


def test_a_broken_ledger_ends_the_service_also_while_a_full_disk_is_waited_for(
    tmp_path: Path,
) -> None:
    """A job that was under way finds it damaged; that writing works again does not hide it."""

    async def main(ledger: Ledger) -> None:
        guard = LedgerGuard(ledger, lambda _why: None, lambda _job: None)
        guard.report(LedgerUnwritable("ledger: the disk is full"))
        running = asyncio.create_task(guard.run())
        await asyncio.sleep(0)  # it waits for the next try now
        guard.report(LedgerError("ledger: malformed"))
        await running

    with Ledger(tmp_path / "ledger.db") as ledger, pytest.raises(LedgerError, match="malformed"):
        asyncio.run(main(ledger))
