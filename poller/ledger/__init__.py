"""The ledger: what was seen, what was sent, what was refused. The only package that knows SQL.

Everything learned of a job in one collection is one transaction; each settled delivery is one, too.
All times are epoch milliseconds. Every method raises LedgerError when SQLite can't do it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from poller.ledger.breakers import Breakers
from poller.ledger.builds import Builds
from poller.ledger.controllers import Controllers
from poller.ledger.delivery_queue import DeliveryQueue
from poller.ledger.executions import Executions
from poller.ledger.file import LedgerFile
from poller.ledger.incomplete import IncompleteBuilds
from poller.ledger.jobs import Jobs
from poller.ledger.logs import Logs
from poller.ledger.outbox import Outbox
from poller.ledger.page_queries import PageQueries
from poller.ledger.reconciliation import Reconciliation


class Ledger:
    """One SQLite file with its parts. Not shared between threads; other processes may use it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.file = LedgerFile(path, read_only=read_only)
        self.controllers = Controllers(self.file)
        self.jobs = Jobs(self.file)
        self.builds = Builds(self.file)
        self.incomplete = IncompleteBuilds(self.file)
        self.outbox = Outbox(self.file)
        self.queue = DeliveryQueue(self.file)
        self.executions = Executions(self.file)
        self.logs = Logs(self.file)
        self.page_queries = PageQueries(self.file)
        self.reconciliation = Reconciliation(self.file)
        self.breakers = Breakers(self.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def try_writing(self) -> None:
        """After a write failed: raises LedgerUnwritable while there is no room for another."""
        self.file.try_writing()

    def close(self) -> None:
        """Close the file."""
        self.file.close()
