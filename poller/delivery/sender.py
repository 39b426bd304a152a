"""Sends the outbox to a sink: oldest first within a job, several jobs at once.

A job run leaves the queue only with the receiver's final answer: delivered, or rejected. Whatever
else happens, it stays queued and is sent again, the same to the byte.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from poller.core.errors import RemoteError
from poller.core.events import Events
from poller.core.known_secrets import mask
from poller.core.tasks import group
from poller.core.times import Clock, Stopping
from poller.delivery.outcome import ANSWER_KEPT, PassResult, ResponseKind, response_kind
from poller.delivery.queue_order import QueueOrder
from poller.delivery.settlement import FinalAnswer, Settlement
from poller.delivery.sink import Receipt, Sink
from poller.ledger import Ledger
from poller.ledger.locks import only_sender
from poller.ledger.outbox import Outcome, QueuedDelivery

BATCH = 500
"""Deliveries that are read from the queue at once."""

MOST_WAITING = 20_000
"""Deliveries in the queue order, at most: a job with more before the next one goes alone for a
while."""


@dataclass
class Sender:
    """Sends what is queued for one sink. ``answered`` counts the runs that were sent, whatever came
    of them."""

    sink: Sink
    ledger: Ledger
    clock: Clock
    events: Events
    settlement: Settlement
    answered: int = 0

    @property
    def name(self) -> str:
        """The sink's."""
        return self.sink.name

    async def run_pass(self, stopping: Stopping = lambda: False) -> PassResult:
        """One pass over all that is queued for the sink. Raises LedgerError.

        A sink whose circuit is open gets one run before many; when to try is for the caller. A job
        whose run can't be handed over now waits for the next pass; the others go on, until the sink
        as a whole looks down. Where another process sends to the sink, this one sends nothing.
        """
        name, breakers = self.sink.name, self.ledger.breakers
        with only_sender(self.ledger.path, name) as ours:
            if not ours:
                return PassResult(another_process_sends=True)
            self.settlement.catch_up()
            before = breakers.get("sink", name)
            done = PassResult(before.resumed(self.clock()), before.state)
            if before.closed or await self._probe(done):
                await self._send_all(done, stopping)
            breakers.keep("sink", name, done.breaker)
        if not done.clean:
            why = done.stopped or done.last_failure
            self.ledger.outbox.sink_failed(name, self.clock(), why)
        return done

    async def _probe(self, done: PassResult) -> bool:
        """One run to a sink whose circuit was open; whether it took it. Each try is with another
        job, as it may be one run that the sink can't take."""
        name, ledger = self.sink.name, self.ledger
        oldest = ledger.outbox.oldest_of_jobs(name)
        chosen = oldest[done.breaker.tries % len(oldest)] if oldest else 0
        delivery = ledger.outbox.queued(name, chosen)
        if delivery is None:
            done.breaker = ledger.breakers.get("sink", name)
            return False
        done.breaker = done.breaker.half_opened()
        ledger.breakers.keep("sink", name, done.breaker)
        await self._send(delivery, done)
        return done.breaker.closed

    async def _send_all(self, done: PassResult, stopping: Stopping) -> None:
        order, outbox, settlement = QueueOrder(), self.ledger.outbox, self.settlement
        under_way = last = 0

        def read_on() -> None:
            """Until there are jobs enough to keep the sink busy, one run of each at once."""
            nonlocal last
            free = self.sink.in_flight - under_way
            while order.free_jobs < free and order.waiting < MOST_WAITING:
                more = outbox.waiting(self.sink.name, BATCH, last)
                if not more:
                    return
                last = more[-1][0]
                order.add(more)

        def start(tasks: asyncio.TaskGroup) -> None:
            nonlocal under_way
            read_on()
            while under_way < self.sink.in_flight and not (
                done.stopped or settlement.failure or stopping()
            ):
                following = order.next()
                if following is None:
                    return
                under_way += 1
                tasks.create_task(one(tasks, *following))

        async def one(tasks: asyncio.TaskGroup, delivery: int, job: int) -> None:
            nonlocal under_way
            with settlement.noting_failure():  # answers that are on their way are still waited for
                queued = outbox.queued(self.sink.name, delivery)
                if queued is None or await self._send(queued, done):
                    order.done(job)
                else:
                    order.hold(job)
                under_way -= 1
                start(tasks)

        async with group() as tasks:
            start(tasks)
        settlement.check()

    async def _send(self, delivery: QueuedDelivery, done: PassResult) -> bool:
        """Hand over one run; False when it stays queued."""
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        try:
            receipt = await self.sink.send(delivery.payload)
        except RemoteError as error:
            done.note_failure(str(error), None, self.clock(), jitter)
            return False
        finally:
            self.answered += 1
        now, why = self.clock(), f"{self.sink.name}: HTTP {receipt.status}"
        match response_kind(receipt.status):
            case ResponseKind.DELIVERED:
                self._settle(delivery, "delivered", receipt, now)
                done.note_delivered(now)
                return True
            case ResponseKind.REJECTED:
                self._settle(delivery, "rejected", receipt, now)
                done.note_rejected(receipt, now, jitter)
                return True
            case ResponseKind.STOP:
                hint = receipt.hint or "is the API key right, and the environment or base_url?"
                done.note_stop(why, hint, now, jitter)
            case ResponseKind.RETRY:
                done.note_failure(why, receipt.retry_after, now, jitter)
        return False

    def _settle(self, delivery: QueuedDelivery, state: Outcome, receipt: Receipt, now: int) -> None:
        # It may repeat our headers. First masked, then cut: half a secret would not be known.
        answer = mask(receipt.answer)[:ANSWER_KEPT] if state == "rejected" else None
        self.settlement.settle(FinalAnswer(delivery.id, state, now, receipt.status, answer))
        waited = max(0, now - delivery.ended)
        self.events.delivery_settled(self.sink.name, delivery.controller, state, waited)
