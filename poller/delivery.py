"""Drains the outbox into a sink: oldest first within a job, several jobs at once.

A job run leaves the queue only with the receiver's last word: delivered, or rejected. Whatever else
happens, it stays queued and is sent again, the same to the byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from poller.errors import RemoteError
from poller.known_secrets import wiped
from poller.ledger import Ledger, Queued
from poller.lineup import Lineup
from poller.lock import only_sender
from poller.settling import Settling, Word
from poller.sinks import Receipt, Sink

BATCH = 500
"""Deliveries that are lined up at once."""

LINED_UP = 20_000
"""Deliveries in line, at most: a job with more before the next one goes alone for a while."""

FAILURES_TO_STOP = 3
"""Failures in a row, without a delivery between, after which the sink counts as down."""

REJECTIONS_TO_STOP = 10
"""Rejections in a row after which a setting is wrong and not a run."""

ANSWER_KEPT = 2_000
"""Characters of a rejection that the ledger keeps."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries on a sink that is down; ``Retry-After`` may make it longer."""


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
    ``elsewhere`` that another process is at it."""

    delivered: int = 0
    rejected: int = 0
    failures: int = 0
    stopped: str = ""
    hint: str = ""
    retry_after: float | None = None
    last_failure: str = ""
    elsewhere: bool = False
    _in_a_row: int = field(default=0, repr=False)
    _rejected_in_a_row: int = field(default=0, repr=False)

    @property
    def clean(self) -> bool:
        """Nothing failed: what was queued when the pass began is settled."""
        return not self.failures and not self.stopped

    def note_delivered(self) -> None:
        """A run was taken: the sink is up."""
        self.delivered += 1
        self._in_a_row = self._rejected_in_a_row = 0

    def note_rejected(self, receipt: Receipt) -> None:
        """A run was refused; many in a row are not the runs' fault."""
        self.rejected += 1
        self._rejected_in_a_row += 1
        if self._rejected_in_a_row >= REJECTIONS_TO_STOP:
            self.stopped = f"HTTP {receipt.status} {self._rejected_in_a_row} times in a row"
            self.hint = "look at `sei-poller status`: the setting is wrong, rather than the runs"

    def note_failure(self, why: str, retry_after: float | None) -> None:
        """A run could not be handed over now."""
        self.failures += 1
        self._in_a_row += 1
        self.last_failure = why
        self.retry_after = retry_after
        if self._in_a_row >= FAILURES_TO_STOP:
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

    A job whose run can't be handed over now waits for the next pass; the others go on, until the
    sink as a whole looks down. Where another process sends to the sink, this one leaves it alone.
    """
    with only_sender(ledger.path, sink.name) as ours:
        if not ours:
            return Drain(elsewhere=True)
        settling = Settling() if settling is None else settling
        settling.catch_up(ledger)
        return await _drain(sink, ledger, clock, on_settled, stopping, settling)


async def _drain(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    on_settled: Callable[[Queued, str], None],
    stopping: Callable[[], bool],
    settling: Settling,
) -> Drain:
    done, lineup = Drain(), Lineup()
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

    def start(group: asyncio.TaskGroup) -> None:
        nonlocal under_way
        line_up()
        while under_way < sink.in_flight and not (done.stopped or settling.failure or stopping()):
            following = lineup.next()
            if following is None:
                return
            under_way += 1
            group.create_task(one(group, *following))

    async def one(group: asyncio.TaskGroup, delivery: int, job: int) -> None:
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
            start(group)

    try:
        async with asyncio.TaskGroup() as group:
            start(group)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    settling.check()
    if not done.clean:
        ledger.outbox.sink_failed(sink.name, clock(), done.stopped or done.last_failure)
    return done


async def _one(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    delivery: Queued,
    done: Drain,
    settling: Settling,
) -> str | None:
    """Hand over one run; its settled state, or None when it stays queued."""
    try:
        receipt = await sink.send(delivery.payload)
    except RemoteError as error:
        done.note_failure(str(error), None)
        return None
    match verdict(receipt.status):
        case Verdict.DELIVERED:
            settling.settle(ledger, Word(delivery.id, "delivered", clock(), receipt.status))
            done.note_delivered()
            return "delivered"
        case Verdict.REJECTED:
            # It may repeat our headers. First wiped, then cut: half a secret would not be known.
            answer = wiped(receipt.answer)[:ANSWER_KEPT]
            word = Word(delivery.id, "rejected", clock(), receipt.status, answer)
            settling.settle(ledger, word)
            done.note_rejected(receipt)
            return "rejected"
        case Verdict.STOP:
            done.stopped = f"{sink.name}: HTTP {receipt.status}"
            done.hint = receipt.hint or "is the API key right, and the environment or base_url?"
        case Verdict.AGAIN:
            done.note_failure(f"{sink.name}: HTTP {receipt.status}", receipt.retry_after)
    return None
