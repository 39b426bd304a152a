"""What waits in a ledger's outbox, whole."""

from __future__ import annotations

from poller.ledger import Ledger
from poller.ledger.outbox import QueuedDelivery


def queued(ledger: Ledger, sink: str, limit: int = 1_000) -> list[QueuedDelivery]:
    """The oldest deliveries that wait for ``sink``."""
    found = (
        ledger.outbox.queued(sink, delivery)
        for delivery, _job in ledger.outbox.waiting(sink, limit)
    )
    return [one for one in found if one is not None]
