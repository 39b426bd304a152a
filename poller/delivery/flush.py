"""Deliveries of a command that ends: tried a few times, and the rest left for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from poller.core.tasks import end, first, together
from poller.core.times import Stopping
from poller.delivery.outcome import PassResult
from poller.delivery.retry_wait import COMMAND_LONGEST_WAIT, COMMAND_TRIES
from poller.delivery.sender import Sender


class Collecting:
    """What goes on beside the deliveries and queues more of them. ``queued`` is set with the next
    builds that are queued, and then another event takes its place; at the end it is set, too."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.queued = asyncio.Event()

    def note_queued(self) -> None:
        """There is something more to send."""
        self.queued.set()
        self.queued = asyncio.Event()

    def end(self) -> None:
        """Nothing more will be queued."""
        self.ended.set()
        self.queued.set()


async def flush(
    sender: Sender, stopping: Stopping = lambda: False, collecting: Collecting | None = None
) -> PassResult:
    """Send what is queued for a sink: in passes while ``collecting`` goes on, and then until the
    rest has to wait for long, or ``COMMAND_TRIES`` passes failed. One that failed just before the
    end of collecting is the first of them.

    Raises LedgerError.
    """
    if collecting is None:
        collecting = Collecting()
        collecting.end()
    total, failed = PassResult(), 0
    while True:
        ended, queued = collecting.ended.is_set(), collecting.queued
        done = await sender.ledger.until_free(partial(sender.run_pass, stopping))
        done.delivered += total.delivered
        done.rejected += total.rejected
        total = done
        if done.failed:
            failed = failed + 1 if ended else 1
        wait = done.wait(sender.clock())
        if not ended:
            events = (collecting.ended,) if done.stopped else (collecting.ended, queued)
            await first(*events, seconds=wait)
            if stopping():
                return total
            if not done.stopped or not collecting.ended.is_set():
                continue
            wait = done.wait(sender.clock())  # the rest of it
        too_long = wait is None or wait > COMMAND_LONGEST_WAIT
        if too_long or failed >= COMMAND_TRIES or done.wrong_setting or stopping():
            return total
        await asyncio.sleep(wait or 0.0)


async def flush_all(
    senders: Sequence[Sender],
    stopping: Stopping = lambda: False,
    collecting: Collecting | None = None,
) -> dict[str, PassResult]:
    """:func:`flush` each sink, all at once: one that is down holds no other back."""
    results = await together(flush(sender, stopping, collecting) for sender in senders)
    return {sender.name: result for sender, result in zip(senders, results, strict=True)}


async def flush_while(
    collect: Callable[[Callable[[], None]], Coroutine[Any, Any, None]],
    senders: Sequence[Sender],
    stopping: Stopping = lambda: False,
) -> dict[str, PassResult]:
    """``collect``, and send beside it what it queues, and then the rest. It calls what it is given
    whenever it has queued something. Raises what ``collect`` does; deliveries that are under way
    are waited for."""
    collecting, failed = Collecting(), False

    async def run() -> None:
        nonlocal failed
        try:
            await collect(collecting.note_queued)
        except BaseException:
            failed = True
            raise
        finally:
            collecting.end()

    running = asyncio.create_task(run())
    try:
        results = await flush_all(senders, lambda: failed or stopping(), collecting)
        await running
    finally:
        await end([running], 0)
    return results
