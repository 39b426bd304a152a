"""Several coroutines at once: failing as one would alone, waited for, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


@contextlib.asynccontextmanager
async def group() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises the first error of its tasks, not a group of one, and has ended the
    others by then."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all, and give what each gives, in their order; when one raises, end the others and raise
    its error."""
    async with group() as running:
        tasks = [running.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]


async def first(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Until one of the events is set, or ``seconds`` have passed."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    await end(waits, 0)


async def end(tasks: Iterable[asyncio.Task[Any]], seconds: float) -> None:
    """Wait so long for the tasks to end, then cancel them."""
    if pending := set(tasks):
        _, late = await asyncio.wait(pending, timeout=seconds)
        for task in late:
            # Cancelled at an await, never inside a transaction: it is asked, or sent, again.
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """What ``work`` gives, from a thread that the end of the program does not wait for: a call of
    the kernel may never come back. Unlike asyncio's own pool, which is waited for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return future


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGINT and SIGTERM set ``stop``, and what is under way is waited for; a second ends it."""
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
