"""The limit of requests to one controller: never more than ``max_connections`` at once, fewer while
it is slow, none while its circuit is open."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType

from poller.core.errors import CircuitOpen, RemoteError, Unreachable
from poller.core.times import Clock, now_ms
from poller.http.breaker import Breaker, BreakerFailure, BreakerPolicy, BreakerState
from poller.http.throttle import RateLimit, Throttle

FAILURES = 3
"""Requests in a row that find the controller away, which open the circuit."""

FIRST_WAIT, LONGEST_WAIT = 30.0, 300.0
"""Seconds until it is tried again; no sooner than it would be polled, and no later than it would
be, or than the longest wait."""

STARTING_FIRST, STARTING_LONGEST = 5.0, 15.0
"""The same while Jenkins says that it is getting ready."""

STARTING_MARKS = (b"getting ready to work", b"Jenkins is restarting", b"/scripts/loading.js")
"""Out of Jenkins' own page while it starts or reloads, which comes with 503 to any request
(recorded); its words are in the server's language, its script is not."""

PROBE = "probe"
"""The kind of the smallest request: sent while the circuit is half-open, and to find out whether it
is the question or the controller that fails."""


def breaker_policy(every: float) -> BreakerPolicy:
    """For a controller that is polled ``every`` so many seconds."""
    longest = max(LONGEST_WAIT, every)
    return BreakerPolicy(FAILURES, min(FIRST_WAIT, every), longest, longest)


def starting_policy(every: float) -> BreakerPolicy:
    """The same, while it is getting ready."""
    return BreakerPolicy(1, min(STARTING_FIRST, every), STARTING_LONGEST, LONGEST_WAIT)


def is_starting(status: int, body: bytes) -> bool:
    """Whether an answer is Jenkins' page of before it works."""
    return status == 503 and any(mark in body[:16384] for mark in STARTING_MARKS)


@dataclass(frozen=True)
class LimiterState:
    """How a controller is treated now: whether it is asked, and for how much at once of how much at
    most."""

    breaker: Breaker
    at_once: int
    most: int


class RequestLimiter:
    """At most ``most`` requests at once to the controller that ``where`` names, and at most
    ``request_rate`` of them a second, which is polled ``every`` so many seconds."""

    def __init__(
        self,
        where: str,
        most: int,
        *,
        request_rate: float | None = None,
        every: float = FIRST_WAIT,
        clock: Clock = now_ms,
    ) -> None:
        self._where = where
        self._slots = asyncio.Semaphore(most)
        self._withheld = 0
        self._rate = RateLimit(request_rate, asyncio.get_running_loop().time)
        self._clock = clock
        self._every = every
        self.policy = breaker_policy(every)
        self.breaker = Breaker()
        self.throttle = Throttle(most)
        self.resumed = False

    def slot(self, kind: Hashable) -> RequestSlot:
        """``async with`` it, ask, and let the error through. What takes as long as it is large is
        of kind None: its time says nothing."""
        return RequestSlot(self, kind)

    def resume(self, breaker: Breaker) -> None:
        """Go on with the breaker as another process left it."""
        self.resumed = True
        self.breaker = breaker.resumed(self._clock())

    @property
    def state(self) -> LimiterState:
        """How the controller is treated now."""
        return LimiterState(self.breaker, self.throttle.limit, self.throttle.most)

    @property
    def circuit_open(self) -> bool:
        """No request may be made."""
        return not self.breaker.closed

    def is_due(self) -> bool:
        """Whether it is time for the one small request; the breaker is half-open then."""
        now = self._clock()
        self.breaker = self.breaker.within_reach(now, self.policy)
        if self.breaker.state is BreakerState.OPEN and not self.breaker.wait(now, self.policy):
            self.breaker = self.breaker.half_opened()
        return self.breaker.state is BreakerState.HALF_OPEN

    def circuit_open_error(self) -> CircuitOpen:
        """The error of a request that is made nevertheless."""
        return CircuitOpen(self._where, "", f"circuit open: {self.breaker.why}")

    async def enter(self, kind: Hashable) -> None:
        """Wait for a slot. Raises CircuitOpen."""
        self._check_circuit(kind)
        await self._slots.acquire()
        try:
            await self._rate.wait()
            self._check_circuit(kind)  # it may have failed meanwhile
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Give the slot back, unless the controller is to get fewer requests at once."""
        spare = self.throttle.most - self.throttle.limit
        if self._withheld < spare:
            self._withheld += 1
            return
        self._slots.release()
        while self._withheld > spare:
            self._withheld -= 1
            self._slots.release()

    def answered(self) -> None:
        """There was an answer."""
        if not self.breaker.closed:
            self.throttle.start_slowly()
        self.breaker = self.breaker.succeeded(self._clock())

    def failed(self, error: Unreachable, kind: Hashable) -> None:
        """There was none, and the controller is away."""
        if self.breaker.state is BreakerState.HALF_OPEN and kind != PROBE:
            return  # it was under way before
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        failure = BreakerFailure(
            self._clock(), error.reason, jitter, error.retry_after, error.starting
        )
        which = starting_policy(self._every) if error.starting else self.policy
        self.breaker = self.breaker.failed(failure, which)

    def _check_circuit(self, kind: Hashable) -> None:
        if self.breaker.closed or (kind == PROBE and self.breaker.state is BreakerState.HALF_OPEN):
            return
        raise self.circuit_open_error()


class RequestSlot:
    """One request's place among those that are under way."""

    __slots__ = ("_began", "_kind", "_limiter")

    def __init__(self, limiter: RequestLimiter, kind: Hashable) -> None:
        self._limiter = limiter
        self._kind = kind
        self._began = 0.0

    async def __aenter__(self) -> None:
        await self._limiter.enter(self._kind)
        self._began = time.monotonic()

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        limiter = self._limiter
        if isinstance(error, Unreachable):
            if error.away:
                limiter.failed(error, self._kind)
        elif error is None or isinstance(error, RemoteError):
            limiter.answered()
            if self._kind is not None:
                now = time.monotonic()
                limiter.throttle.note(self._kind, now - self._began, now)
        limiter.leave()
