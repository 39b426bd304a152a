"""When a controller whose circuit is open is tried again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from poller.core.errors import Unreachable
from poller.jenkins.request_limiter import FAILURES, LONGEST_WAIT, RequestLimiter

START, DAY = 1_764_000_000_000, 86_400_000


@dataclass
class SetClock:
    """A clock that is set; epoch milliseconds."""

    now: int = START

    def __call__(self) -> int:
        return self.now


def away(clock: SetClock) -> RequestLimiter:
    """Of a controller that has not answered for some requests."""
    limiter = RequestLimiter("controller main", 4, clock=clock)
    for _ in range(FAILURES):
        limiter.failed(Unreachable("controller main", "item tree", "refused"), "tree")
    assert limiter.circuit_open
    return limiter


def test_it_is_tried_after_its_wait_and_not_before() -> None:
    """Also where the clock is set ahead."""

    async def work() -> None:
        clock = SetClock()
        limiter = away(clock)
        assert not limiter.is_due()
        clock.now += int(LONGEST_WAIT * 1000)
        assert limiter.is_due()

    asyncio.run(work())


def test_a_clock_that_was_set_back_delays_the_next_try_by_one_wait_at_most() -> None:
    """Not until the clock is again where it was."""

    async def work() -> None:
        clock = SetClock()
        limiter = away(clock)
        clock.now -= 180 * DAY
        assert not limiter.is_due()
        clock.now += int(LONGEST_WAIT * 1000) - 1
        assert not limiter.is_due()
        clock.now += 1
        assert limiter.is_due()

    asyncio.run(work())
