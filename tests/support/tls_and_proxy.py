"""What may stand between the program and a server: TLS with any certificate, and a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

CLOSING_SECONDS = 0.05
"""Until the loop has seen the end of connections that are closed, and of handshakes that failed."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Wire:
    """A port on loopback whose every connection goes to ``handle``; ``with Wire(…) as wire``."""

    def __init__(self, handle: Handler, tls: ssl.SSLContext | None = None) -> None:
        self._handle = handle
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, _context: None)  # handshakes that fail
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self._tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(CLOSING_SECONDS)


def to(
    port: int, heard: list[bytes] | None = None, change: Callable[[bytes], bytes] = bytes
) -> Handler:
    """Forward each connection to a port on loopback; what the client says is put into ``heard``,
    and arrives as ``change`` makes it."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def on_the_way(data: bytes) -> bytes:
            if heard is not None:
                heard.append(data)
            return change(data)

        await _join(reader, writer, port, on_the_way=on_the_way)

    return forward


def nothing(heads: list[bytes]) -> Handler:
    """Nobody is to ask here: what is asked is put into ``heads``, and answered with 404."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    return serve


def proxy(*, refuse: bool = False, heads: list[bytes] | None = None) -> Handler:
    """An HTTP proxy for CONNECT and for plain requests, to ports on loopback, whatever the host.
    What it is asked is put into ``heads``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(head)
        method, target = head.split()[:2]
        if refuse:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
        elif method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await _join(reader, writer, int(target.rpartition(b":")[2]))
        else:
            host, _, path = target.partition(b"://")[2].partition(b"/")
            head = head.replace(target, b"/" + path, 1)
            await _join(reader, writer, int(host.rpartition(b":")[2]), head)

    return serve


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    port: int,
    first: bytes = b"",
    on_the_way: Callable[[bytes], bytes] = bytes,
) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    try:
        back.write(first)
        await asyncio.gather(_pump(reader, back, on_the_way), _pump(there, writer))
    finally:
        for one in (back, writer):
            one.transport.abort()


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    on_the_way: Callable[[bytes], bytes] = bytes,
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(on_the_way(data))
            await writer.drain()
        writer.close()


def door(port: int, wanted: bytes, refusal: bytes, heads: list[bytes] | None = None) -> Handler:
    """Lets those connections through to a port on loopback whose first head has ``wanted`` in it;
    to others it says ``refusal``, a whole answer. What it is asked is put into ``heads``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            if wanted in head:
                await _join(reader, writer, port, head)
            else:
                writer.write(refusal)
                await writer.drain()
                writer.close()

    return serve


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole answer of HTTP, after which the connection ends."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body
