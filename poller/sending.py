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
    news: asyncio.Event,
    on_settled: Callable[[int], None],
    stopping: Callable[[], bool],
) -> Drain:
    """Send what is queued while ``filling`` goes on and tells of ``news``, and then the rest."""
    total = Drain()
    while not filling.done():
        news.clear()
        done = await drain(
            sink, ledger, clock, on_settled=lambda _d, _state: on_settled(1), stopping=stopping
        )
        total.delivered += done.delivered
        total.rejected += done.rejected
        if done.clean:
            await until_news(filling, news)
        else:
            await asyncio.wait([filling], timeout=max(LONGEST_PAUSE, done.wait(clock())))
    last = await send_all(sink, ledger, clock, on_settled, stopping)
    last.delivered += total.delivered
    last.rejected += total.rejected
    return last


async def until_news(filling: asyncio.Task[None], news: asyncio.Event) -> None:
    """Wait until there is something new to send, or nothing more to come."""
    hearing = asyncio.create_task(news.wait())
    await asyncio.wait([filling, hearing], return_when=asyncio.FIRST_COMPLETED)
    hearing.cancel()
