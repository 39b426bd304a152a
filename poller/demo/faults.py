"""Requests that a simulated server has had, and the ways to make it fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeAlias
from urllib.parse import unquote_plus

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

BROKEN_OFF = 0
"""The status of a request that got no answer."""


@dataclass(frozen=True)
class Request:
    """One request as it came: ``path`` is as sent, percent-encoded; ``query`` is decoded."""

    method: str
    path: str
    query: str
    status: int = BROKEN_OFF


@dataclass(frozen=True)
class Answer:
    """One answer. ``delay`` is in seconds, before the first byte.

    ``break_off`` closes the connection: before the first byte where ``status`` is None, else in
    the middle of the body. Without either the answer is the usual one, late. ``stall`` is silence
    in the middle of the body, in seconds. ``parts`` follow ``body``, for what is too large to hold.
    """

    status: int | None = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    break_off: bool = False
    stall: float = 0.0
    parts: Iterable[bytes] = ()


@dataclass
class Fault:
    """Answers each request whose path, or ``path?query``, matches; ``times`` is None for always."""

    path_glob: str
    answer: Answer
    times: int | None = None

    def __call__(self, request: Request) -> Answer | None:
        """The answer, or None to leave the request alone."""
        whole = f"{request.path}?{request.query}"
        if not any(fnmatchcase(text, self.path_glob) for text in (request.path, whole)):
            return None
        if self.times is not None:
            if self.times <= 0:
                return None
            self.times -= 1
        return self.answer


class Faulty:
    """A simulated server's requests and faults, and how its answers leave.

    ``faults`` are asked in turn; the first answer that is not None is sent.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[Callable[[Request], Answer | None]] = []

    def fail(
        self,
        path_glob: str = "*",
        *,
        status: int | None = 503,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
        delay: float = 0.0,
        break_off: bool = False,
        stall: float = 0.0,
    ) -> None:
        """From now on answer like this. ``status=None`` with a delay is the usual answer, late.
        With a ``stall`` it stops in the middle for so many seconds."""
        raw = body.encode() if isinstance(body, str) else body
        given = {"Content-Type": "text/html;charset=utf-8"} | dict(headers or {})
        answer = Answer(status, raw, given, delay, break_off, stall)
        self.faults.append(Fault(path_glob, answer, times))

    def heal(self) -> None:
        """No fault any more."""
        self.faults.clear()

    def fault_of(self, request: Request) -> Answer | None:
        """What a fault answers to ``request``, if any does."""
        return next((a for fault in list(self.faults) if (a := fault(request)) is not None), None)


def request_of(scope: Scope) -> Request:
    """The request in an ASGI scope. The path stays encoded: a branch's name holds ``%2F``."""
    raw = scope.get("raw_path") or scope["path"].encode()
    query = unquote_plus(scope["query_string"].decode("latin-1"))
    return Request(scope["method"], raw.decode("latin-1").partition("?")[0], query)


async def send_answer(scope: Scope, send: Send, answer: Answer) -> None:
    """Send ``answer``, or break the connection off where it says so."""
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.status is None:
        await break_off(scope)
        return
    length = len(answer.body) + (1 if answer.break_off else 0)
    headers = {} if answer.parts else {"Content-Length": str(length)}
    headers |= answer.headers
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    body, more = answer.body, answer.break_off or bool(answer.parts)
    if answer.stall and not answer.parts:
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await asyncio.sleep(answer.stall)
        body = body[half:]
    await send({"type": "http.response.body", "body": body, "more_body": more})
    if answer.break_off:
        await break_off(scope)
    elif answer.parts:
        await _send_parts(scope, send, answer)


async def _send_parts(scope: Scope, send: Send, answer: Answer) -> None:
    is_open = scope.get("extensions", {}).get("poller.is_open", lambda: True)
    stall = answer.stall
    for part in answer.parts:
        if not is_open():  # the client has heard enough
            return
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(stall)
        stall = 0
    await send({"type": "http.response.body", "body": b""})


async def break_off(scope: Scope) -> None:
    """Close the connection as a crash would. Only :class:`poller.demo.server.Server` can."""
    scope["extensions"]["poller.abort"]()
    await asyncio.sleep(0.01)  # until uvicorn has seen it, or it would log the missing answer
