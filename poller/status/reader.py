"""Reads the ledger for the page in a thread of its own, so that no poll waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from poller.core.errors import LedgerError
from poller.ledger import Ledger

T = TypeVar("T")

SECONDS = 5.0
"""The longest that one read of the ledger may take; a page is some milliseconds."""


class LedgerReader:
    """One thread with one read-only connection: however many ask, they are read for in turn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ledger: Ledger | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="status")

    async def ask(self, read: Callable[[Ledger], T]) -> T:
        """What ``read`` makes of one state of the ledger. Raises LedgerError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, read)

    def _read(self, read: Callable[[Ledger], T]) -> T:
        if self._ledger is None:
            self._ledger = Ledger(self._path, read_only=True)
        try:
            with self._ledger.page_queries.snapshot(SECONDS):
                return read(self._ledger)
        except LedgerError:
            self._close()
            raise

    def _close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    async def aclose(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
