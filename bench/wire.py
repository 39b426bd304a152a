"""HTTP/1.1 on loopback as cheap as asyncio lets it be, so that a contender is measured and not the
simulated servers: one thread, keep-alive, bodies with a length, TLS where asked for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]

REASONS = {status.value: status.phrase for status in HTTPStatus}
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Asked:
    """One request as it came; ``head`` is all of it that is no body."""

    method: str
    target: str
    head: bytes
    headers: dict[bytes, bytes]
    body: bytes


Handler: TypeAlias = Callable[[Asked], Awaitable[bytes] | bytes]
"""Gives the whole answer, as :func:`answer` makes it."""


def answer(status: int, headers: Headers, body: bytes) -> bytes:
    """An answer as it goes out."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, '')}".encode()]
    lines += [b"%s: %s" % pair for pair in headers if pair[0].lower() != b"content-length"]
    lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + HEAD_END + body


class _Connection(asyncio.Protocol):
    """One connection; an answer leaves ``latency()`` seconds after its request came."""

    def __init__(self, handler: Handler, latency: Callable[[], float]) -> None:
        self._handler = handler
        self._latency = latency
        self._buffer = b""
        self._needed = 0
        self._task: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        if len(self._buffer) < self._needed:
            return
        while (end := self._buffer.find(HEAD_END)) >= 0:
            head = self._buffer[:end]
            first, _, rest = head.partition(b"\r\n")
            pairs = (line.partition(b":") for line in rest.split(b"\r\n") if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            self._needed = end + len(HEAD_END) + int(headers.get(b"content-length", 0))
            if len(self._buffer) < self._needed:
                if headers.get(b"expect", b"").lower() == b"100-continue":
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = self._buffer[end + len(HEAD_END) : self._needed]
            self._buffer, self._needed = self._buffer[self._needed :], 0
            method, target, _ = first.decode("latin-1").split(" ", 2)
            self._answer(Asked(method, target, head, headers, body))

    def _answer(self, asked: Asked) -> None:
        keep = asked.headers.get(b"connection", b"").lower() != b"close"
        loop = asyncio.get_running_loop()
        due = loop.time() + self._latency()

        def send(whole: bytes) -> None:
            if not self._transport.is_closing():
                self._transport.write(whole)
                if not keep:
                    self._transport.close()

        def later(whole: bytes) -> None:
            if due > loop.time():
                loop.call_at(due, send, whole)
            else:
                send(whole)

        found = self._handler(asked)
        if isinstance(found, bytes):
            later(found)
            return
        self._task = asyncio.ensure_future(found)
        self._task.add_done_callback(lambda done: later(_result(done)))


def _result(done: asyncio.Future[bytes]) -> bytes:
    failure = done.exception()
    return done.result() if failure is None else answer(500, [], repr(failure).encode())


async def serve(
    handler: Handler, latency: Callable[[], float], tls: ssl.SSLContext | None = None
) -> int:
    """Listen on a free port of loopback, for as long as the loop runs; the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(handler, latency), "127.0.0.1", 0, ssl=tls, backlog=2048
    )
    return int(server.sockets[0].getsockname()[1])
