"""Drains the outbox into a sink: oldest first within a job, several jobs at once.

A job run leaves the queue only with the receiver's last word: delivered, or rejected. Whatever else
happens, it stays queued and is sent again, the same to the byte.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from poller.core.errors import RemoteError
from poller.core.known_secrets import mask
from poller.core.tasks import group
from poller.delivery.outcome import ANSWER_KEPT, PassResult, ResponseKind, response_kind
from poller.delivery.queue_order import QueueOrder
from poller.delivery.settlement import FinalAnswer, Settlement
from poller.delivery.sink import Sink
from poller.ledger import Ledger
from poller.ledger.locks import only_sender
from poller.ledger.outbox import QueuedDelivery

BATCH = 500
"""Deliveries that are lined up at once."""

LINED_UP = 20_000
"""Deliveries in line, at most: a job with more before the next one goes alone for a while."""


async def run_pass(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    *,
    on_settled: Callable[[QueuedDelivery, str], None] = lambda _delivery, _state: None,
    stopping: Callable[[], bool] = lambda: False,
    settling: Settlement | None = None,
) -> PassResult:
    """One pass over all that is queued for ``sink``. ``clock`` gives epoch milliseconds.

    A sink that was left alone gets one run before many; when to try is for the caller. A job whose
    run can't be handed over now waits for the next pass; the others go on, until the sink as a
    whole looks down. Where another process sends to the sink, this one leaves it alone.
    """
    with only_sender(ledger.path, sink.name) as ours:
        if not ours:
            return PassResult(elsewhere=True)
        settling = Settlement() if settling is None else settling
        settling.catch_up(ledger)
        before = ledger.breakers.get("sink", sink.name)
        done = PassResult(before.resumed(clock()), before.state)
        if before.closed or await _probe(sink, ledger, clock, on_settled, settling, done):
            await _send_all(sink, ledger, clock, on_settled, stopping, settling, done)
        ledger.breakers.keep("sink", sink.name, done.breaker)
    if not done.clean:
        ledger.outbox.sink_failed(sink.name, clock(), done.stopped or done.last_failure)
    return done


async def _probe(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    on_settled: Callable[[QueuedDelivery, str], None],
    settling: Settlement,
    done: PassResult,
) -> bool:
    """One run to a sink that was left alone; whether it took it. Each try is with another job, as
    it may be one run that the sink can't take."""
    oldest = ledger.outbox.oldest_of_jobs(sink.name)
    chosen = oldest[done.breaker.tries % len(oldest)] if oldest else 0
    delivery = ledger.outbox.queued(sink.name, chosen)
    if delivery is None:
        done.breaker = ledger.breakers.get("sink", sink.name)
        return False
    done.breaker = done.breaker.half_opened()
    ledger.breakers.keep("sink", sink.name, done.breaker)
    settled = await _send_one(sink, ledger, clock, delivery, done, settling)
    if settled is not None:
        on_settled(delivery, settled)
    return done.breaker.closed


async def _send_all(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    on_settled: Callable[[QueuedDelivery, str], None],
    stopping: Callable[[], bool],
    settling: Settlement,
    done: PassResult,
) -> None:
    lineup = QueueOrder()
    under_way = last = 0

    def line_up() -> None:
        """Read on until there are jobs enough to keep the sink busy, one run of each at once."""
        nonlocal last
        while lineup.free_jobs < sink.in_flight - under_way and lineup.waiting < LINED_UP:
            more = ledger.outbox.waiting(sink.name, BATCH, last)
            if not more:
                return
            last = more[-1][0]
            lineup.add(more)

    def start(tasks: asyncio.TaskGroup) -> None:
        nonlocal under_way
        line_up()
        while under_way < sink.in_flight and not (done.stopped or settling.failure or stopping()):
            following = lineup.next()
            if following is None:
                return
            under_way += 1
            tasks.create_task(one(tasks, *following))

    async def one(tasks: asyncio.TaskGroup, delivery: int, job: int) -> None:
        nonlocal under_way
        with settling.noting_failure():  # answers that are on their way are still waited for
            queued = ledger.outbox.queued(sink.name, delivery)
            settled = queued and await _send_one(sink, ledger, clock, queued, done, settling)
            if queued and settled:
                on_settled(queued, settled)
            if queued and not settled:
                lineup.hold(job)
            else:
                lineup.done(job)
            under_way -= 1
            start(tasks)

    async with group() as tasks:
        start(tasks)
    settling.check()


async def _send_one(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    delivery: QueuedDelivery,
    done: PassResult,
    settling: Settlement,
) -> str | None:
    """Hand over one run; its settled state, or None when it stays queued."""
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    try:
        receipt = await sink.send(delivery.payload)
    except RemoteError as error:
        done.note_failure(str(error), None, clock(), jitter)
        return None
    now = clock()
    match response_kind(receipt.status):
        case ResponseKind.DELIVERED:
            settling.settle(ledger, FinalAnswer(delivery.id, "delivered", now, receipt.status))
            done.note_delivered(now)
            return "delivered"
        case ResponseKind.REJECTED:
            # It may repeat our headers. First wiped, then cut: half a secret would not be known.
            answer = mask(receipt.answer)[:ANSWER_KEPT]
            settling.settle(
                ledger, FinalAnswer(delivery.id, "rejected", now, receipt.status, answer)
            )
            done.note_rejected(receipt, now, jitter)
            return "rejected"
        case ResponseKind.STOP:
            why = f"{sink.name}: HTTP {receipt.status}"
            hint = receipt.hint or "is the API key right, and the environment or base_url?"
            done.note_stop(why, hint, now, jitter)
        case ResponseKind.AGAIN:
            why = f"{sink.name}: HTTP {receipt.status}"
            done.note_failure(why, receipt.retry_after, now, jitter)
    return None
