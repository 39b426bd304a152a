"""Answers that come, but too slowly: each has a longest time, and one that is read while it comes a
least rate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from poller.core.errors import Unreachable
from poller.http.client import LEAST_RATE, Connection, fetch, open_client, stream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@contextlib.asynccontextmanager
async def trickle(part: bytes, gap: float, parts: int) -> AsyncIterator[str]:
    """A server that sends a part after each gap, so many times."""

    answering: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.append(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD)
            for _ in range(parts):
                await asyncio.sleep(gap)
                writer.write(part)
                await writer.drain()
        except ConnectionError:
            pass  # the client has left
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


async def read(url: str, each: float, seconds: float) -> int:
    """The bytes of the answer, read while it comes."""
    http = open_client(Connection(url, int(each * 1000), 1))
    request = http.request("GET", url)
    streamed = stream(http, request, where="server", what="x", limit=10**6, seconds=seconds)
    try:
        async with streamed as (_, chunks):
            return sum([len(chunk) async for chunk in chunks])
    finally:
        await http.aclose()


def test_a_trickle_is_left() -> None:
    """A byte a tenth of a second, for ever: each part is in time, the rate is not."""

    async def work() -> None:
        async with trickle(b" ", 0.1, 10_000) as url:
            with pytest.raises(Unreachable, match=f"slower than {LEAST_RATE} bytes a second"):
                await read(url, each=0.5, seconds=60)

    asyncio.run(work())


def test_one_that_never_ends_is_left() -> None:
    """However much of it comes."""

    async def work() -> None:
        async with trickle(b"x" * 1000, 0.05, 10_000) as url:
            with pytest.raises(Unreachable, match=r"not done in 0\.6 s"):
                await read(url, each=0.5, seconds=0.6)

    asyncio.run(work())


def test_one_that_takes_its_time_is_read() -> None:
    """Longer than the timeout, which holds for each part."""

    async def work() -> int:
        async with trickle(b"x" * 1000, 0.1, 12) as url:
            return await read(url, each=0.5, seconds=60)

    assert asyncio.run(work()) == 12_000


def test_a_usual_answer_has_the_timeout_for_all_of_it() -> None:
    async def work() -> None:
        async with trickle(b"x" * 1000, 0.1, 10_000) as url:
            http = open_client(Connection(url, 500, 1))
            with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
                await fetch(
                    http,
                    http.request("GET", url),
                    where="server",
                    what="x",
                    limit=10**6,
                    seconds=0.5,
                )
            await http.aclose()

    asyncio.run(work())
