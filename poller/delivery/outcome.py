"""What one pass over the queue of a sink did, and whether the sink is up."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from poller.delivery.retry_wait import POLICY
from poller.http.breaker import Breaker, BreakerFailure, BreakerState

REJECTIONS_TO_STOP = 10
"""Rejections in a row after which a setting is wrong and not a run."""

FIRST_PAUSE = 10.0
"""Seconds that one answer's ``Retry-After`` is believed: a second one, to another job, counts in
full."""

REJECTIONS_HINT = "look at `sei-poller rejected`: the setting is wrong, rather than the runs"


@dataclass
class PassResult:
    """What one pass over the queue of a sink did; ``stopped`` says why it ended early, and
    ``another_process_sends`` that it did nothing. ``breaker`` is the sink's, now and ``before``.

    ``failed_jobs`` are the jobs that failed since the last delivery; ``away`` is why nothing gets
    through, as far as is known: empty while others are delivered. ``next_due`` is when the first of
    the runs that wait for themselves is tried again. ``wrong_setting``: it stopped for what is the
    same for all runs, as a refused key. Times are epoch milliseconds.
    """

    breaker: Breaker = field(default_factory=Breaker)
    before: BreakerState = BreakerState.CLOSED
    failed_jobs: set[int] = field(default_factory=set)
    delivered: int = 0
    rejected: int = 0
    failures: int = 0
    stopped: str = ""
    wrong_setting: bool = False
    hint: str = ""
    last_failure: str = ""
    away: str = ""
    next_due: int | None = None
    another_process_sends: bool = False
    _rejected_in_a_row: int = field(default=0, repr=False)

    @property
    def failed(self) -> bool:
        """A try failed, or the sink takes nothing."""
        return bool(self.failures or self.stopped)

    @property
    def clean(self) -> bool:
        """Nothing failed, now or before: what was queued when the pass began is settled."""
        return not self.failed and self.next_due is None

    def wait(self, now: int) -> float | None:
        """Seconds until there is something to try; None where nothing waits."""
        if not self.breaker.closed:
            return self.breaker.wait(now, POLICY)
        return None if self.next_due is None else max(0, self.next_due - now) / 1000

    def note_delivered(self, now: int) -> None:
        """A run was taken: the sink is up, whatever it said before."""
        self.delivered += 1
        self.stopped = self.hint = self.away = ""
        self.wrong_setting = False
        self.failed_jobs.clear()
        self._rejected_in_a_row = 0
        self.breaker = self.breaker.succeeded(now)

    def note_rejected(self, why: str, now: int, jitter: float) -> None:
        """A run was rejected; many in a row, or the first try, are not the runs' fault."""
        self.rejected += 1
        self._rejected_in_a_row += 1
        trying = self.breaker.state is BreakerState.HALF_OPEN
        if trying or self._rejected_in_a_row >= REJECTIONS_TO_STOP:
            times = "" if trying else f", {self._rejected_in_a_row} times in a row"
            self.hint = REJECTIONS_HINT
            self._open(BreakerFailure(now, f"{why}{times}", jitter, at_once=True))

    def note_failure(self, job: int, failure: BreakerFailure, hint: str, *, own: bool) -> None:
        """A run of ``job`` was not taken. ``own``: others were since it began to fail, so it says
        nothing of the sink. What the sink itself asks for, by ``Retry-After``, it gets."""
        self.failures += 1
        self.last_failure = failure.why
        if self.breaker.closed and own:
            return
        if self.breaker.closed and failure.retry_after is not None:
            asked = min(failure.retry_after, FIRST_PAUSE)
            failure = dataclasses.replace(failure, retry_after=asked)
        self.away, self.hint = failure.why, hint
        if not self.breaker.closed or failure.at_once or job not in self.failed_jobs:
            self.failed_jobs.add(job)
            self._open(failure)

    def _open(self, failure: BreakerFailure) -> None:
        """Or count the failure until there are enough of them."""
        self.breaker = self.breaker.failed(failure, POLICY)
        if not self.breaker.closed:
            self.stopped = self.away = failure.why
            self.wrong_setting = failure.at_once and failure.retry_after is None
