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
from poller.lock import only_sender
from poller.sinks import Receipt, Sink
from poller.together import together

BATCH = 200
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
) -> Drain:
    """One pass over all that is queued for ``sink``. ``clock`` gives epoch milliseconds.

    A job whose run can't be handed over now waits for the next pass; the others go on, until the
    sink as a whole looks down. Where another process sends to the sink, this one leaves it alone.
    """
    with only_sender(ledger.path, sink.name) as ours:
        if not ours:
            return Drain(elsewhere=True)
        return await _drain(sink, ledger, clock, on_settled, stopping)


async def _drain(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    on_settled: Callable[[Queued, str], None],
    stopping: Callable[[], bool],
) -> Drain:
    done = Drain()
    slots = asyncio.Semaphore(sink.in_flight)
    held: set[int] = set()

    async def one_job(queue: list[Queued]) -> None:
        for delivery in queue:
            async with slots:
                if done.stopped or stopping():
                    return
                settled = await _one(sink, ledger, clock, delivery, done)
            if settled is None:
                held.add(delivery.job)
                return
            on_settled(delivery, settled)

    after = 0
    while not (done.stopped or stopping()):
        batch = ledger.outbox.queued(sink.name, BATCH, after)
        if not batch:
            break
        after = batch[-1].id
        by_job: dict[int, list[Queued]] = {}
        for delivery in batch:
            if delivery.job not in held:
                by_job.setdefault(delivery.job, []).append(delivery)
        await together(one_job(queue) for queue in by_job.values())
    if not done.clean:
        ledger.outbox.sink_failed(sink.name, clock(), done.stopped or done.last_failure)
    return done


async def _one(
    sink: Sink, ledger: Ledger, clock: Callable[[], int], delivery: Queued, done: Drain
) -> str | None:
    """Hand over one run; its settled state, or None when it stays queued."""
    try:
        receipt = await sink.send(delivery.payload)
    except RemoteError as error:
        done.note_failure(str(error), None)
        return None
    match verdict(receipt.status):
        case Verdict.DELIVERED:
            ledger.outbox.settle(delivery.id, "delivered", clock(), receipt.status)
            done.note_delivered()
            return "delivered"
        case Verdict.REJECTED:
            # It may repeat our headers. First wiped, then cut: half a secret would not be known.
            answer = wiped(receipt.answer)[:ANSWER_KEPT]
            ledger.outbox.settle(delivery.id, "rejected", clock(), receipt.status, answer)
            done.note_rejected(receipt)
            return "rejected"
        case Verdict.STOP:
            done.stopped = f"{sink.name}: HTTP {receipt.status}"
            done.hint = receipt.hint or "is the API key right, and the environment or base_url?"
        case Verdict.AGAIN:
            done.note_failure(f"{sink.name}: HTTP {receipt.status}", receipt.retry_after)
    return None
