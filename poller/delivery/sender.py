"""Sends the outbox to a sink: oldest first within a job, several jobs at once.

A job run leaves the queue only with the receiver's final answer: delivered, or rejected. Whatever
else happens, it stays queued and is sent again, the same to the byte. One that fails waits by
itself, behind the others; when runs of different jobs fail and nothing goes through, all wait.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from dataclasses import dataclass, field
from typing import Any

from poller.core.errors import RemoteError
from poller.core.events import Events
from poller.core.known_secrets import mask
from poller.core.tasks import first, group
from poller.core.times import Clock, Stopping
from poller.delivery.answer import OF_ALL, Meaning, ResponseKind, decoded, meaning_of, seen_of
from poller.delivery.backlog import LOOK_SECONDS, Backlog
from poller.delivery.outcome import PassResult
from poller.delivery.retry_wait import run_wait
from poller.delivery.settlement import FinalAnswer, Settlement
from poller.delivery.sink import Receipt, Sink
from poller.http.breaker import BreakerFailure
from poller.http.throttle import RateLimit
from poller.ledger import Ledger
from poller.ledger.deliveries.outbox import Outcome
from poller.ledger.deliveries.queue import FailedTry, QueuedDelivery
from poller.ledger.locks import only_sender

ANSWER_KEPT = 2_000
"""Characters of an answer that the ledger keeps."""

CATCHING_UP = 50
"""Deliveries in a queue that take a while."""


@dataclass
class Sender:
    """Sends what is queued for one sink. ``answered`` counts the runs that were sent, whatever came
    of them."""

    sink: Sink
    ledger: Ledger
    clock: Clock
    events: Events
    settlement: Settlement
    rate: RateLimit = field(default_factory=lambda: RateLimit(None, time.monotonic))
    answered: int = 0
    _failed_jobs: set[int] = field(default_factory=set)
    _unproven: bool = True
    """Something may have failed since the last delivery."""
    _known: dict[str, Any] = field(default_factory=dict)
    """The sink's row in the ledger."""

    @property
    def name(self) -> str:
        """The sink's."""
        return self.sink.name

    async def run_pass(self, stopping: Stopping = lambda: False) -> PassResult:
        """One pass over all that is queued for the sink. Raises LedgerError.

        A sink whose circuit is open gets one run before many; when to try is for the caller. A run
        that can't be handed over now waits for its next try; the others go on, until the sink as a
        whole looks down. Where another process sends to the sink, this one sends nothing.
        """
        name, ledger = self.sink.name, self.ledger
        with only_sender(ledger.path, name) as ours:
            if not ours:
                return PassResult(another_process_sends=True)
            self.settlement.catch_up()
            self._begin()
            before = ledger.breakers.get("sink", name)
            breaker = before.resumed(self.clock())
            if breaker.closed:
                breaker = dataclasses.replace(breaker, failures=len(self._failed_jobs))
            done = PassResult(breaker, before.state, self._failed_jobs)
            sent = self.answered
            if before.closed or await self._probe(done):
                await self._send_all(done, stopping)
            ledger.breakers.keep("sink", name, done.breaker)
            if done.delivered:  # each delivery notes it to the second
                ledger.outbox.note_sink(name, last_success=self._known["last_success"])
            if self.rate.left and self.answered > sent:
                next_request = self.clock() + int(self.rate.left * 1000)
                ledger.outbox.note_sink(name, next_request=next_request)
        done.next_due = ledger.queue.next_due(name)
        if done.away:
            ledger.outbox.sink_failed(name, self.clock(), done.away)
        return done

    def _begin(self) -> None:
        name, ledger = self.sink.name, self.ledger
        if not self._known:  # of another process: the first thing to do is to try
            ledger.queue.release(name)
        self._known = {"last_success": None, "json_from": None, "first_yes": None}
        self._known |= ledger.outbox.sink(name)
        self.rate.resume((self._known.get("next_request", 0) - self.clock()) / 1000)
        if ledger.outbox.count(name, "queued") >= CATCHING_UP:
            delivered = ledger.outbox.count(name, "delivered")
            ledger.outbox.note_sink(name, pass_at=self.clock(), pass_delivered=delivered)

    async def _probe(self, done: PassResult) -> bool:
        """One run to a sink whose circuit was open; whether it took it. Each try is with another
        job, as it may be one run that the sink can't take."""
        name, ledger = self.sink.name, self.ledger
        chosen = ledger.queue.probe(name)
        delivery = ledger.queue.get(name, chosen) if chosen is not None else None
        if delivery is None:
            done.breaker = ledger.breakers.get("sink", name)
            return False
        done.breaker = done.breaker.half_opened()
        ledger.breakers.keep("sink", name, done.breaker)
        await self.rate.wait()
        await self._send(delivery, done)
        ledger.breakers.keep("sink", name, done.breaker)
        return done.breaker.closed

    async def _send_all(self, done: PassResult, stopping: Stopping) -> None:
        backlog = Backlog(self.ledger.queue, self.sink.name, self.clock)
        settlement, idle, under_way = self.settlement, asyncio.Event(), 0

        def start(tasks: asyncio.TaskGroup) -> None:
            nonlocal under_way
            with settlement.noting_failure():  # answers that are on their way are still waited for
                while under_way < self.sink.in_flight and not (
                    done.stopped or settlement.failure or stopping()
                ):
                    following = backlog.next(at_end=not under_way)
                    if following is None:
                        break
                    under_way += 1
                    tasks.create_task(one(tasks, *following))
            if not under_way:
                idle.set()

        async def one(tasks: asyncio.TaskGroup, delivery: int, job: int) -> None:
            nonlocal under_way
            await self.rate.wait()
            with settlement.noting_failure():
                queued = self.ledger.queue.get(self.sink.name, delivery)
                if queued is not None and not done.stopped and not await self._send(queued, done):
                    backlog.hold_failed()
            backlog.done(job)
            under_way -= 1
            start(tasks)

        async with group() as tasks:
            start(tasks)
            # One that is not answered has its own slot only: what comes meanwhile gets the others.
            while not idle.is_set():
                await first(idle, seconds=LOOK_SECONDS)
                start(tasks)
        settlement.check()

    async def _send(self, delivery: QueuedDelivery, done: PassResult) -> bool:
        """Hand over one run; False when it stays queued."""
        receipt = None
        try:
            receipt = await self.sink.send(delivery)
            meaning = meaning_of(receipt, knows_json=self._knows_json(receipt))
        except RemoteError as error:
            meaning = Meaning(ResponseKind.RETRY, str(error), error.hint)
        finally:
            self.answered += 1
        now = self.clock()
        if receipt is None or meaning.kind is ResponseKind.RETRY:
            self._note_failure(delivery, receipt, meaning, done)
            return False
        if meaning.kind is ResponseKind.REJECTED:
            self._settle(delivery, "rejected", receipt, now)
            done.note_rejected(f"{self.sink.name}: {meaning.why}", now, _jitter())
            return True
        if self._unproven:
            with self.settlement.noting_failure():  # the answer is kept all the same
                self.ledger.queue.release(self.sink.name)
                self._unproven = False
        self._settle(delivery, "delivered", receipt, now)
        done.note_delivered(now)
        self._note_yes(receipt, meaning, now)
        return True

    def _note_failure(
        self,
        delivery: QueuedDelivery,
        receipt: Receipt | None,
        meaning: Meaning,
        done: PassResult,
    ) -> None:
        now, jitter, last = self.clock(), _jitter(), self._known["last_success"]
        status, answer, asked = None, meaning.why, None
        why = meaning.why
        if receipt is not None:
            status, asked, why = receipt.status, receipt.retry_after, f"{self.name}: {why}"
            answer = decoded(receipt.body)
        since = delivery.failing_since
        own = since is not None and last is not None and last >= since
        wait = run_wait(delivery.tries + 1, asked, jitter, own=own)
        self._unproven = True
        self.ledger.queue.failed(
            FailedTry(delivery.id, now, now + int(wait * 1000), status, mask(answer)[:ANSWER_KEPT])
        )
        at_once = bool(asked) or status in OF_ALL
        failure = BreakerFailure(now, why, jitter, asked, at_once=at_once)
        done.note_failure(delivery.job, failure, meaning.hint, own=own)

    def _knows_json(self, receipt: Receipt) -> bool:
        return bool(receipt.address) and self._known["json_from"] == receipt.address

    def _note_yes(self, receipt: Receipt, meaning: Meaning, now: int) -> None:
        """Keep what is new of how the receiver says yes."""
        new: dict[str, int | str | None] = {}
        if meaning.json and receipt.address and not self._knows_json(receipt):
            new["json_from"] = receipt.address
        if self._known["first_yes"] is None:
            new["first_yes"] = seen_of(receipt)
        if new:
            self.ledger.outbox.note_sink(self.sink.name, **new)
            self._known |= new
        self._known["last_success"] = now

    def _settle(self, delivery: QueuedDelivery, state: Outcome, receipt: Receipt, now: int) -> None:
        # It may repeat our headers. First masked, then cut: half a secret would not be known.
        answer = mask(decoded(receipt.body))[:ANSWER_KEPT] if state == "rejected" else None
        without_logs = mask(receipt.without_logs) if state == "delivered" else ""
        self.settlement.settle(
            FinalAnswer(delivery.id, state, now, receipt.status, answer, without_logs or None)
        )
        waited = max(0, now - delivery.ended)
        self.events.delivery_settled(self.sink.name, delivery.controller, state, waited)


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads load, guards nothing
