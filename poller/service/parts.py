"""What the jobs of a service share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from poller.context import AppContext
from poller.service.ledger_guard import LedgerGuard
from poller.service.scheduler import Scheduler
from poller.service.watchdog import Watchdog
from poller.status.metrics import Metrics


class Stop:
    """Asks a service to end when what is under way is done. With ``reload`` the process goes on,
    with another service."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.reload = False

    def request(self, *, reload: bool = False) -> None:
        """Take nothing new on from now."""
        self.reload = reload
        self.requested.set()

    def __call__(self) -> bool:
        """Whether to take nothing new on."""
        return self.requested.is_set()


@dataclass(frozen=True)
class ServiceParts:
    """Of one service; a reload makes new ones."""

    context: AppContext
    metrics: Metrics
    scheduler: Scheduler
    guard: LedgerGuard
    watchdog: Watchdog
    stop: Stop
