"""What waits in a ledger's outbox, whole."""

from __future__ import annotations

from poller.core.build_key import BuildKey
from poller.ledger import Ledger
from poller.ledger.deliveries.queue import QueuedDelivery
from poller.ledger.records import Batch, BuildRow, JobState


def waiting(ledger: Ledger, sink: str, limit: int = 1_000) -> list[int]:
    """The ids of the oldest deliveries that wait for ``sink``."""
    found = ledger.queue.due(sink, 2**53, limit)
    for lane in ledger.queue.lanes(sink):
        found += ledger.queue.untried(sink, lane, limit)
    return sorted(delivery for delivery, _job in found)[:limit]


def queued(ledger: Ledger, sink: str, limit: int = 1_000) -> list[QueuedDelivery]:
    """The same, whole."""
    found = (ledger.queue.get(sink, delivery) for delivery in waiting(ledger, sink, limit))
    return [one for one in found if one is not None]


def queue_build(ledger: Ledger, sink: str, job: str, number: int) -> None:
    """Record a build of controller ``main``, so that its run waits for ``sink``."""
    controller = ledger.controllers.get("main", 0).id
    row = BuildRow(BuildKey(number, 1_000 * number, number), 5, "SUCCESS", "collected", None, b"{}")
    state = ledger.jobs.states(controller, job).get(job, JobState(job))
    ledger.builds.record(controller, Batch(state, "Job", [row], number), (sink,), 1)
