"""What waits for a sink, read from the ledger bit by bit while it is sent."""

from __future__ import annotations

import time

from poller.core.times import Clock
from poller.delivery.queue_order import TRIED, QueueOrder
from poller.ledger.deliveries.queue import DeliveryQueue, Lane

BATCH = 100
"""Deliveries of a lane that are read at once."""

MOST_WAITING = 20_000
"""Deliveries of a lane in the order, at most: a job with more before the next one goes alone for a
while."""

LOOK_SECONDS = 1.0
"""How soon what is queued meanwhile, or may be tried again, gets its turn."""


class Backlog:
    """The queue of one sink, in the order in which it is sent."""

    def __init__(self, queue: DeliveryQueue, sink: str, clock: Clock) -> None:
        self._queue = queue
        self._sink = sink
        self._clock = clock
        self._order = QueueOrder()
        self._read_up_to: dict[Lane, int] = {}
        self._unread: set[Lane] = set()
        self._looked = float("-inf")

    def next(self, *, at_end: bool) -> tuple[int, int] | None:
        """The next delivery and its job; None where nothing may go now. ``at_end``: none is under
        way, so there is no other look. Raises LedgerError."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look()
        found = self._next()
        if found is None and at_end:
            self._look()
            found = self._next()
        return found

    def _next(self) -> tuple[int, int] | None:
        for lane in list(self._unread):
            while (
                lane in self._unread
                and not self._order.ready(lane)
                and self._order.waiting(lane) < MOST_WAITING
            ):
                self._read(lane)
        return self._order.next()

    def done(self, job: int) -> None:
        """The job's delivery that was under way is settled, or failed."""
        self._order.done(job)

    def hold_failed(self) -> None:
        """A job whose run just failed waits for it. Raises LedgerError."""
        self._order.hold(self._queue.held_jobs(self._sink))

    def _look(self) -> None:
        self._looked = time.monotonic()
        self.hold_failed()
        self._order.add(TRIED, sorted(self._queue.due(self._sink, self._clock(), BATCH)))
        for lane in self._queue.lanes(self._sink):
            if not self._order.waiting(lane):
                self._read_up_to[lane] = 0  # what was queued again has an older id
            if self._order.waiting(lane) < BATCH:
                self._read(lane)

    def _read(self, lane: Lane) -> None:
        found = self._queue.untried(self._sink, lane, BATCH, self._read_up_to.get(lane, 0))
        self._order.add(lane, found)
        if found:
            self._read_up_to[lane] = found[-1][0]
        (self._unread.add if len(found) == BATCH else self._unread.discard)(lane)
