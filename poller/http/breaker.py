"""A circuit breaker: when a server that fails gets no more requests, and when it is tried again.
Pure.

*Closed*: it gets requests. *Open*: it gets none until ``next_try``. *Half-open*: it gets one, whose
outcome closes the breaker or opens it again, for longer.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from poller.core.times import ago, backoff


class BreakerState(StrEnum):
    """The field's own words."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class BreakerPolicy:
    """``failures`` in a row open it, for ``first`` seconds, then twice as long with each try that
    fails, up to ``longest``. A server may ask for more, up to ``max_retry_after``."""

    failures: int
    first: float
    longest: float
    max_retry_after: float

    @property
    def most(self) -> float:
        """No wait is longer than this, in seconds."""
        return max(self.longest, self.max_retry_after)


@dataclass(frozen=True)
class BreakerFailure:
    """One failure: ``at`` is epoch milliseconds, ``jitter`` a random number in [0, 1), and
    ``retry_after`` what the server asked for in seconds. One that leaves no doubt opens the breaker
    ``at_once``."""

    at: int
    why: str
    jitter: float
    retry_after: float | None = None
    at_once: bool = False


@dataclass(frozen=True)
class Breaker:
    """``since`` is when it last closed or, through all tries, first opened; ``next_try`` is set
    while it is open (epoch milliseconds). ``failures`` are those in a row while it is closed,
    ``tries`` the half-open ones that failed."""

    state: BreakerState = BreakerState.CLOSED
    since: int = 0
    failures: int = 0
    tries: int = 0
    next_try: int | None = None
    why: str = ""

    @property
    def closed(self) -> bool:
        """The server may be asked for anything."""
        return self.state is BreakerState.CLOSED

    def words(self, now: int) -> str:
        """What is done about a server that fails, in a few words; empty while it is asked."""
        if self.closed:
            return ""
        if self.next_try is None:
            return "circuit open, tried just now"
        return f"circuit open, tried again in {ago(self.next_try - now)}"

    def wait(self, now: int, policy: BreakerPolicy) -> float:
        """Seconds until the next try, 0 when it is due. A clock that was set back makes it no
        longer than a wait can be."""
        if self.state is not BreakerState.OPEN or self.next_try is None:
            return 0.0
        return min(max(0, self.next_try - now) / 1000, policy.most)

    def within_reach(self, now: int, policy: BreakerPolicy) -> Breaker:
        """The same; a next try that lies further ahead than a wait can be, as the clock was set
        back, is the longest wait from now."""
        latest = now + int(policy.most * 1000)
        if self.next_try is None or self.next_try <= latest:
            return self
        return dataclasses.replace(self, next_try=latest)

    def half_opened(self) -> Breaker:
        """Open, and now tried."""
        if self.state is not BreakerState.OPEN:
            return self
        return dataclasses.replace(self, state=BreakerState.HALF_OPEN, next_try=None)

    def succeeded(self, now: int) -> Breaker:
        """The server answered."""
        if self.closed:
            return dataclasses.replace(self, failures=0) if self.failures else self
        return Breaker(since=now)

    def failed(self, failure: BreakerFailure, policy: BreakerPolicy) -> Breaker:
        """The server did not answer. What was under way when it opened changes nothing."""
        if self.state is BreakerState.OPEN:
            return self
        failures = self.failures + 1
        if self.closed and failures < policy.failures and not failure.at_once:
            return dataclasses.replace(self, failures=failures)
        tries = 0 if self.closed else self.tries + 1
        usual = backoff(
            tries + 1, first=policy.first, longest=policy.longest, jitter=failure.jitter
        )
        wait = max(usual, min(failure.retry_after or 0.0, policy.max_retry_after))
        return Breaker(
            BreakerState.OPEN,
            since=failure.at if self.closed else self.since,
            failures=failures,
            tries=tries,
            next_try=failure.at + int(wait * 1000),
            why=failure.why,
        )

    def resumed(self, now: int) -> Breaker:
        """As another process left it: where it was open, the first thing to do is to try."""
        if self.closed:
            return self
        return dataclasses.replace(self, state=BreakerState.OPEN, next_try=now)
