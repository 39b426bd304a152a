"""What an answer means for a run, and what one pass over the queue did."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from poller.delivery.retry_wait import POLICY
from poller.delivery.sink import Receipt
from poller.http.breaker import Breaker, BreakerFailure, BreakerState

REJECTIONS_TO_STOP = 10
"""Rejections in a row after which a setting is wrong and not a run."""

ANSWER_KEPT = 2_000
"""Characters of a rejection that the ledger keeps."""


class ResponseKind(Enum):
    """What an HTTP status means for a job run."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    RETRY = "retry"
    STOP = "stop"


def response_kind(status: int) -> ResponseKind:
    """2xx: delivered. 401, 403: stop. 408, 425, 429, 5xx: retry. Other 4xx: rejected.

    A 3xx is no answer of SEI's: the address is wrong, so stop.
    """
    if 200 <= status < 300:
        return ResponseKind.DELIVERED
    if status in (408, 425, 429) or status >= 500:
        return ResponseKind.RETRY
    if status in (401, 403) or status < 400:
        return ResponseKind.STOP
    return ResponseKind.REJECTED


@dataclass
class PassResult:
    """What one pass over the queue of a sink did; ``stopped`` says why it ended early, and
    ``another_process_sends`` that it did nothing. ``breaker`` is the sink's, now and ``before``.
    Times are epoch milliseconds."""

    breaker: Breaker = field(default_factory=Breaker)
    before: BreakerState = BreakerState.CLOSED
    delivered: int = 0
    rejected: int = 0
    failures: int = 0
    stopped: str = ""
    hint: str = ""
    retry_after: float | None = None
    last_failure: str = ""
    another_process_sends: bool = False
    _rejected_in_a_row: int = field(default=0, repr=False)

    @property
    def clean(self) -> bool:
        """Nothing failed: what was queued when the pass began is settled."""
        return not self.failures and not self.stopped

    def wait(self, now: int) -> float:
        """Seconds until the sink may be tried again."""
        return self.breaker.wait(now, POLICY)

    def note_delivered(self, now: int) -> None:
        """A run was taken: the sink is up."""
        self.delivered += 1
        self._rejected_in_a_row = 0
        self.breaker = self.breaker.succeeded(now)

    def note_rejected(self, receipt: Receipt, now: int, jitter: float) -> None:
        """A run was rejected; many in a row, or the first try, are not the runs' fault."""
        self.rejected += 1
        self._rejected_in_a_row += 1
        trying = self.breaker.state is BreakerState.HALF_OPEN
        if trying or self._rejected_in_a_row >= REJECTIONS_TO_STOP:
            times = f" {self._rejected_in_a_row} times in a row" if not trying else ""
            hint = "look at `sei-poller status`: the setting is wrong, rather than the runs"
            self.note_stop(f"HTTP {receipt.status}{times}", hint, now, jitter)

    def note_stop(self, why: str, hint: str, now: int, jitter: float) -> None:
        """The sink takes nothing, and a run more would not change that."""
        self.stopped, self.hint = why, hint
        self.breaker = self.breaker.failed(BreakerFailure(now, why, jitter, at_once=True), POLICY)

    def note_failure(self, why: str, retry_after: float | None, now: int, jitter: float) -> None:
        """A run could not be handed over now."""
        self.failures += 1
        self.last_failure = why
        self.retry_after = max(self.retry_after or 0, retry_after or 0) or None
        self.breaker = self.breaker.failed(
            BreakerFailure(now, why, jitter, self.retry_after), POLICY
        )
        if not self.breaker.closed:
            self.stopped = why
