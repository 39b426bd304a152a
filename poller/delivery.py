"""Drains the outbox into a sink: oldest first within a job, several jobs at once.

A job run leaves the queue only with the receiver's last word: delivered, or rejected. Whatever else
happens, it stays queued and is sent again, the same to the byte.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from poller.breaker import Breaker, Failure, Rules, State
from poller.errors import RemoteError
from poller.known_secrets import wiped
from poller.ledger import Ledger, Queued
from poller.lineup import Lineup
from poller.lock import only_sender
from poller.settling import Settling, Word
from poller.sinks import Receipt, Sink
from poller.together import group

BATCH = 500
"""Deliveries that are lined up at once."""

LINED_UP = 20_000
"""Deliveries in line, at most: a job with more before the next one goes alone for a while."""

REJECTIONS_TO_STOP = 10
"""Rejections in a row after which a setting is wrong and not a run."""

ANSWER_KEPT = 2_000
"""Characters of a rejection that the ledger keeps."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries on a sink that is down; ``Retry-After`` may make it longer."""

RULES = Rules(failures=3, first=FIRST_WAIT, longest=LONGEST_WAIT, most_asked=3600.0)
"""When a sink counts as down: failures in a row, without a delivery between."""


class Verdict(Enum):
    """What an HTTP status means for a job run."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    AGAIN = "again"
    STOP = "stop"


def verdict(status: int) -> Verdict:
    """2xx: delivered. 401, 403: stop. 408, 425, 429, 5xx: again. Other 4xx: rejected.

    A 3xx is no answer of SEI's: the address is wrong, so stop.
    """
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status in (408, 425, 429) or status >= 500:
        return Verdict.AGAIN
    if status in (401, 403) or status < 400:
        return Verdict.STOP
    return Verdict.REJECTED


@dataclass
class Drain:
    """What one pass over the queue of a sink did; ``stopped`` says why it ended early, and
    ``elsewhere`` that another process is at it. ``breaker`` is the sink's, now and ``before``.
    Times are epoch milliseconds."""

    breaker: Breaker = field(default_factory=Breaker)
    before: State = State.CLOSED
    delivered: int = 0
    rejected: int = 0
    failures: int = 0
    stopped: str = ""
    hint: str = ""
    retry_after: float | None = None
    last_failure: str = ""
    elsewhere: bool = False
    _rejected_in_a_row: int = field(default=0, repr=False)

    @property
    def clean(self) -> bool:
        """Nothing failed: what was queued when the pass began is settled."""
        return not self.failures and not self.stopped

    def wait(self, now: int) -> float:
        """Seconds for which the sink is left alone."""
        return self.breaker.wait(now, RULES)

    def note_delivered(self, now: int) -> None:
        """A run was taken: the sink is up."""
        self.delivered += 1
        self._rejected_in_a_row = 0
        self.breaker = self.breaker.succeeded(now)

    def note_rejected(self, receipt: Receipt, now: int, jitter: float) -> None:
        """A run was refused; many in a row are not the runs' fault, nor is the first after them."""
        self.rejected += 1
        self._rejected_in_a_row += 1
        trying = self.breaker.state is State.HALF_OPEN
        if trying or self._rejected_in_a_row >= REJECTIONS_TO_STOP:
            times = f" {self._rejected_in_a_row} times in a row" if not trying else ""
            hint = "look at `sei-poller status`: the setting is wrong, rather than the runs"
            self.note_stop(f"HTTP {receipt.status}{times}", hint, now, jitter)

    def note_stop(self, why: str, hint: str, now: int, jitter: float) -> None:
        """The sink takes nothing, and a run more would not change that."""
        self.stopped, self.hint = why, hint
        self.breaker = self.breaker.failed(Failure(now, why, jitter, at_once=True), RULES)

    def note_failure(self, why: str, retry_after: float | None, now: int, jitter: float) -> None:
        """A run could not be handed over now."""
        self.failures += 1
        self.last_failure = why
        self.retry_after = max(self.retry_after or 0, retry_after or 0) or None
        self.breaker = self.breaker.failed(Failure(now, why, jitter, self.retry_after), RULES)
        if not self.breaker.closed:
            self.stopped = why


async def drain(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    *,
    on_settled: Callable[[Queued, str], None] = lambda _delivery, _state: None,
    stopping: Callable[[], bool] = lambda: False,
    settling: Settling | None = None,
) -> Drain:
    """One pass over all that is queued for ``sink``. ``clock`` gives epoch milliseconds.

    A sink that was left alone gets one run before many; when to try is for the caller. A job whose
    run can't be handed over now waits for the next pass; the others go on, until the sink as a
    whole looks down. Where another process sends to the sink, this one leaves it alone.
    """
    with only_sender(ledger.path, sink.name) as ours:
        if not ours:
            return Drain(elsewhere=True)
        settling = Settling() if settling is None else settling
        settling.catch_up(ledger)
        before = ledger.breakers.get("sink", sink.name)
        done = Drain(before.resumed(clock()), before.state)
        if before.closed or await _try(sink, ledger, clock, on_settled, settling, done):
            await _drain(sink, ledger, clock, on_settled, stopping, settling, done)
        ledger.breakers.keep("sink", sink.name, done.breaker)
    if not done.clean:
        ledger.outbox.sink_failed(sink.name, clock(), done.stopped or done.last_failure)
    return done


async def _try(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    on_settled: Callable[[Queued, str], None],
    settling: Settling,
    done: Drain,
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
    settled = await _one(sink, ledger, clock, delivery, done, settling)
    if settled is not None:
        on_settled(delivery, settled)
    return done.breaker.closed


async def _drain(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    on_settled: Callable[[Queued, str], None],
    stopping: Callable[[], bool],
    settling: Settling,
    done: Drain,
) -> None:
    lineup = Lineup()
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
            settled = queued and await _one(sink, ledger, clock, queued, done, settling)
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


async def _one(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    delivery: Queued,
    done: Drain,
    settling: Settling,
) -> str | None:
    """Hand over one run; its settled state, or None when it stays queued."""
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    try:
        receipt = await sink.send(delivery.payload)
    except RemoteError as error:
        done.note_failure(str(error), None, clock(), jitter)
        return None
    now = clock()
    match verdict(receipt.status):
        case Verdict.DELIVERED:
            settling.settle(ledger, Word(delivery.id, "delivered", now, receipt.status))
            done.note_delivered(now)
            return "delivered"
        case Verdict.REJECTED:
            # It may repeat our headers. First wiped, then cut: half a secret would not be known.
            answer = wiped(receipt.answer)[:ANSWER_KEPT]
            settling.settle(ledger, Word(delivery.id, "rejected", now, receipt.status, answer))
            done.note_rejected(receipt, now, jitter)
            return "rejected"
        case Verdict.STOP:
            why = f"{sink.name}: HTTP {receipt.status}"
            hint = receipt.hint or "is the API key right, and the environment or base_url?"
            done.note_stop(why, hint, now, jitter)
        case Verdict.AGAIN:
            why = f"{sink.name}: HTTP {receipt.status}"
            done.note_failure(why, receipt.retry_after, now, jitter)
    return None
