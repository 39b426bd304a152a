"""The ledger: what was seen, what was sent, what was refused. The only package that knows SQL.

Everything learned of a job in one collection is one transaction; each settled delivery is one, too.
All times are epoch milliseconds. Every method raises LedgerError when SQLite can't do it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self, TypeVar

from poller.core.errors import LedgerBusy
from poller.ledger.breakers import Breakers
from poller.ledger.builds import Builds
from poller.ledger.controllers import Controllers
from poller.ledger.deliveries.outbox import Outbox
from poller.ledger.deliveries.queue import DeliveryQueue
from poller.ledger.executions import Executions
from poller.ledger.file import LONGEST_WAIT, LedgerFile
from poller.ledger.incomplete import IncompleteBuilds
from poller.ledger.jobs import Jobs
from poller.ledger.logs.archive import Logs
from poller.ledger.logs.failures import Failures
from poller.ledger.logs.steps import StepLogs
from poller.ledger.page_queries import PageQueries
from poller.ledger.pending import PendingBuilds
from poller.ledger.reconciliation import Reconciliation
from poller.ledger.stage_sources import StageSources

SHORT_WAIT = 0.5
"""Seconds to stand still for another program where others wait for answers: a web page, requests
that are under way."""

PAUSE = 0.2
"""Seconds between two looks at whether the ledger is free."""

T = TypeVar("T")


class Ledger:
    """One SQLite file with its parts. Not shared between threads; other processes may use it:
    ``wait`` is how many seconds it stands still then."""

    def __init__(self, path: Path, *, read_only: bool = False, wait: float = LONGEST_WAIT) -> None:
        self.path = path
        self.file = LedgerFile(path, read_only=read_only, wait=wait)
        self.controllers = Controllers(self.file)
        self.jobs = Jobs(self.file)
        self.builds = Builds(self.file)
        self.incomplete = IncompleteBuilds(self.file)
        self.pending = PendingBuilds(self.file)
        self.outbox = Outbox(self.file)
        self.queue = DeliveryQueue(self.file)
        self.executions = Executions(self.file)
        self.logs = Logs(self.file)
        self.step_logs = StepLogs(self.file)
        self.failures = Failures(self.file)
        self.page_queries = PageQueries(self.file)
        self.reconciliation = Reconciliation(self.file)
        self.breakers = Breakers(self.file)
        self.stage_sources = StageSources(self.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    async def until_free(self, work: Callable[[], Awaitable[T]]) -> T:
        """What ``work`` returns. While another program holds the ledger, nothing stands still: the
        work is begun again when it is free. Raises LedgerBusy where that takes too long."""
        while True:
            try:
                return await work()
            except LedgerBusy:
                await self._wait_free()

    async def when_free(self, work: Callable[[], T]) -> T:
        """The same of work that waits for nothing else."""

        async def begin() -> T:
            return work()

        return await self.until_free(begin)

    async def _wait_free(self) -> None:
        for left in reversed(range(int(LONGEST_WAIT / PAUSE))):
            await asyncio.sleep(PAUSE)
            try:
                with self.file.write("write"):
                    return
            except LedgerBusy:
                if not left:
                    raise

    def try_writing(self) -> None:
        """After a write failed: raises LedgerUnwritable while there is no room for another."""
        self.file.try_writing()

    def close(self) -> None:
        """Close the file."""
        self.file.close()
