"""A sink that takes one run and not another, on a real ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path

from poller.core.build_key import BuildKey
from poller.core.events import NO_EVENTS
from poller.delivery.sender import Sender
from poller.delivery.settlement import Settlement
from poller.delivery.sink import Receipt
from poller.http.breaker import BreakerState
from poller.ledger import Ledger
from poller.ledger.deliveries.queue import QueuedDelivery
from poller.ledger.records import Batch, BuildRow, JobState


class Picky:
    """Takes all but the runs of one job."""

    name, in_flight = "picky", 1

    def __init__(self) -> None:
        self.up = False
        self.asked = 0

    async def send(self, delivery: QueuedDelivery) -> Receipt:
        """One run."""
        self.asked += 1
        return Receipt(202 if self.up and delivery.payload != b"poison" else 500)

    async def aclose(self) -> None:
        """Nothing."""


def test_one_run_that_is_never_taken_keeps_no_sink_open_for_ever(tmp_path: Path) -> None:
    """It is the oldest, and yet the others go when the sink is back: each try is of another job."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        controller = ledger.controllers.get("main", 0).id
        for place, payload in enumerate((b"poison", b"a", b"b", b"c")):
            row = BuildRow(BuildKey(1, 1000, place), 5, "SUCCESS", "collected", None, payload)
            batch = Batch(JobState(f"job-{place}"), "Job", [row], 1)
            ledger.builds.record(controller, batch, ("picky",), 1)
        sink, now = Picky(), 1000
        sender = Sender(sink, ledger, lambda: now, NO_EVENTS, Settlement(ledger))
        done = asyncio.run(sender.run_pass())
        assert (done.breaker.state, sink.asked) == (BreakerState.OPEN, 3)
        sink.up, sink.asked = True, 0
        now = 90_000
        done = asyncio.run(sender.run_pass())
        assert (done.breaker.state, sink.asked, done.delivered) == (BreakerState.CLOSED, 4, 3)
        assert ledger.outbox.count_queued() == 1
        assert done.away == "", "it is one run's own fault"
