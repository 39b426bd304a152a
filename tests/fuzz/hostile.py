"""A hostile server on loopback: real HTTP, bodies and framing as no server of good faith sends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from random import Random
from typing import Any

import httpx

from tests.fuzz.mutate import mutated

PACE = 0.05
"""Seconds between the parts of an answer that drips."""

HEADER_LINES = (
    b"Content-Type: text/html", b"Content-Type: \xff\xfe", b"X-Jenkins-Session: \xc3\x28",
    b"X-Text-Size: 99999999999999999999999", b"X-More-Data: true", b"Content-Encoding: gzip",
    b"Content-Encoding: br, gzip, deflate", b"Retry-After: 99999999999", b"Retry-After: -1",
    b"Retry-After: Wed, 99 Foo 2024", b"Location: http://[::bad/", b"Date: never",
    b"Set-Cookie: a=b; Expires=Wed, 99 Foo 99999", b"X-Instance-Identity: \xe2\x80\xae",
    b"X-Padding: " + b"x" * 30_000,
)  # fmt: skip
STATUSES = (
    200,
    204,
    206,
    301,
    302,
    304,
    400,
    401,
    403,
    404,
    408,
    410,
    418,
    429,
    500,
    503,
    599,
    999,
)


class Hostile:
    """Stands between the program and a simulated server's ``app``.

    ``share`` of the answers are made hostile, of those whose path ``spares`` does not spare;
    ``inputs`` counts them.
    """

    def __init__(
        self, app: Any, seed: int, spares: Callable[[str], bool] = lambda _path: False
    ) -> None:
        self._app = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://inner.test/"
        )
        self._chance = Random(seed)
        self._spares = spares
        self.share = 0.0
        self.inputs = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT/``."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Hostile:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._app.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ", 2)
        given = {
            name.lower(): value for name, _, value in (one.partition(": ") for one in rest) if name
        }
        body = await reader.readexactly(int(given.get("content-length", 0)))
        given["accept-encoding"] = "identity"
        url = httpx.URL("http://inner.test/").copy_with(raw_path=target.encode("latin-1"))
        answer = await self._app.request(method, url, headers=given, content=body)
        spared = self._spares(target) or self._chance.random() >= self.share
        raw = _good(answer) if spared else self._bad(answer)
        drips = not spared and self._chance.random() < 0.01
        for part in (raw[: len(raw) // 2], raw[len(raw) // 2 :]) if drips else (raw,):
            writer.write(part)
            await writer.drain()
            if drips:
                await asyncio.sleep(PACE)
        return spared

    def _bad(self, answer: httpx.Response) -> bytes:
        """A hostile answer; the connection is closed after it."""
        self.inputs += 1
        chance = self._chance
        is_json = "json" in answer.headers.get("Content-Type", "")
        body, status = answer.content, answer.status_code
        kind = chance.random()
        if kind < 0.75:
            body = mutated(chance, body, is_json=is_json)
        elif kind < 0.85:
            status = chance.choice(STATUSES)
        lines = [f"{name}: {value}".encode("latin-1", "replace") for name, value in answer.headers.items()
                 if name not in ("content-length", "transfer-encoding")]  # fmt: skip
        if kind > 0.80:
            for _ in range(chance.choice((1, 1, 2, 5))):
                new = chance.choice(HEADER_LINES)
                name = new.partition(b":")[0].lower()
                lines = [one for one in lines if one.partition(b":")[0].lower() != name] + [new]
        lines += self._framing(body) if kind > 0.90 else [b"Content-Length: %d" % len(body)]
        start = chance.choice(STARTS) if kind > 0.97 else b"HTTP/1.1 %d Fine" % status
        return b"\r\n".join([start, *lines, b"Connection: close", b"", body])

    def _framing(self, body: bytes) -> list[bytes]:
        length = self._chance.choice(
            (0, 1, len(body) // 2, len(body) + 1, len(body) + 10**6, 10**15, 2**64, -1)
        )
        return self._chance.choice(
            ([b"Content-Length: %d" % length], [b"Content-Length: x"], [], [b"Transfer-Encoding: chunked"],
             [b"Content-Length: 1", b"Content-Length: 2"], [b"Transfer-Encoding: gzip, chunked"])
        )  # fmt: skip


STARTS = (
    b"HTTP/1.1 200",
    b"HTTP/9.9 200 OK",
    b"HTTP/1.1 abc OK",
    b"\x00\xff",
    b"",
    b"SSH-2.0-x",
    b"HTTP/1.1 2000 OK",
)


def _good(answer: httpx.Response) -> bytes:
    lines = [f"{n}: {v}".encode("latin-1") for n, v in answer.headers.items()
             if n not in ("content-length", "transfer-encoding")]  # fmt: skip
    start = b"HTTP/1.1 %d OK" % answer.status_code
    return b"\r\n".join(
        [start, *lines, b"Content-Length: %d" % len(answer.content), b"", answer.content]
    )
