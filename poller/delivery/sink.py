"""Where job runs go: one small protocol, one module a sink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from poller.ledger.deliveries.queue import QueuedDelivery


@dataclass(frozen=True)
class Receipt:
    """What the receiver at ``address`` answered: an HTTP status, its body, and ``Retry-After`` in
    seconds. Where the sink knows better than its caller, ``hint`` is what the status says to a
    user, and ``of_the_run`` that the answer speaks of the run and not of the way. ``location`` is
    where a redirect leads to. ``without_logs``: why the run was sent without its logs, where it has
    some to send."""

    status: int
    body: bytes = b""
    retry_after: float | None = None
    hint: str = ""
    content_type: str = ""
    location: str = ""
    address: str = ""
    of_the_run: bool = False
    without_logs: str = ""


class Sink(Protocol):
    """Takes one encoded job run at a time, or what it is sent instead of one."""

    name: str
    in_flight: int
    """How many runs may be under way at once."""

    async def send(self, delivery: QueuedDelivery) -> Receipt:
        """Hand over one run. Raises RemoteError when there was no answer."""

    async def aclose(self) -> None:
        """Let go of what it holds."""
