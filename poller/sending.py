"""Deliveries of a command that ends: tried a few times, and the rest left for the next one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from poller import backoff
from poller.delivery import Drain, drain
from poller.ledger import Ledger
from poller.sinks import Sink

TRIES = 3
"""Passes over the queue before the rest is left for the next time."""

LONGEST_PAUSE = 5.0
"""Seconds between two passes; a receiver that wants more is left alone."""

LOOK_SECONDS = 1.0
"""How often the queue is looked at while others fill it."""


async def send_all(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    on_settled: Callable[[int], None] = lambda _count: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Drain:
    """Send what is queued for a sink, in at most ``TRIES`` passes."""
    total = Drain()
    for attempt in range(1, TRIES + 1):
        done = await drain(
            sink, ledger, clock, on_settled=lambda _d, _state: on_settled(1), stopping=stopping
        )
        done.delivered += total.delivered
        done.rejected += total.rejected
        total = done
        if done.clean or done.hint or attempt == TRIES or (done.retry_after or 0) > LONGEST_PAUSE:
            break
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        wait = backoff.delay(attempt, first=0.5, longest=LONGEST_PAUSE, jitter=jitter)
        await asyncio.sleep(max(wait, done.retry_after or 0))
    return total


async def send_each(
    sinks: Sequence[Sink], ledger: Ledger, clock: Callable[[], int]
) -> dict[str, Drain]:
    """Send what is queued for each sink, all at once: one that is down holds no other back."""
    drains = await asyncio.gather(*(send_all(sink, ledger, clock) for sink in sinks))
    return {sink.name: drained for sink, drained in zip(sinks, drains, strict=True)}


async def send_while(
    sink: Sink,
    ledger: Ledger,
    clock: Callable[[], int],
    filling: asyncio.Task[None],
    on_settled: Callable[[int], None],
    stopping: Callable[[], bool],
) -> Drain:
    """Send what is queued while ``filling`` goes on, and then the rest."""
    total = Drain()
    while not filling.done():
        done = await drain(
            sink, ledger, clock, on_settled=lambda _d, _state: on_settled(1), stopping=stopping
        )
        total.delivered += done.delivered
        total.rejected += done.rejected
        wait = LOOK_SECONDS if done.clean else LONGEST_PAUSE
        await asyncio.wait([filling], timeout=wait)
    last = await send_all(sink, ledger, clock, on_settled, stopping)
    last.delivered += total.delivered
    last.rejected += total.rejected
    return last
