"""What waits in a ledger's outbox, whole."""

from __future__ import annotations

from poller.core.build_key import BuildKey
from poller.ledger import Ledger
from poller.ledger.outbox import QueuedDelivery
from poller.ledger.records import Batch, BuildRow, JobState


def queued(ledger: Ledger, sink: str, limit: int = 1_000) -> list[QueuedDelivery]:
    """The oldest deliveries that wait for ``sink``."""
    found = (
        ledger.outbox.queued(sink, delivery)
        for delivery, _job in ledger.outbox.waiting(sink, limit)
    )
    return [one for one in found if one is not None]


def queue_build(ledger: Ledger, sink: str, job: str, number: int) -> None:
    """Record a build of controller ``main``, so that its run waits for ``sink``."""
    controller = ledger.controllers.get("main", 0).id
    row = BuildRow(BuildKey(number, 1_000 * number, number), 5, "SUCCESS", "collected", None, b"{}")
    state = ledger.jobs.states(controller, job).get(job, JobState(job))
    ledger.builds.record(controller, Batch(state, "Job", [row], number), (sink,), 1)
