"""Requests that a simulated server has had, and the ways to make it fail."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any, TypeAlias
from urllib.parse import unquote_plus

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

BROKEN_OFF = 0
"""The status of a request that got no answer."""


@dataclass(frozen=True)
class Request:
    """One request as it came: ``path`` is as sent, percent-encoded; ``query`` is decoded.

    ``at`` is when, in seconds of the monotonic clock; ``fault`` names what was done to its answer.
    """

    method: str
    path: str
    query: str
    status: int = BROKEN_OFF
    at: float = field(default=0.0, compare=False)
    fault: str = ""


@dataclass(frozen=True)
class Answer:
    """One answer. ``delay`` is in seconds, before the first byte.

    ``break_off`` closes the connection: before the first byte where ``status`` is None, else in
    the middle of the body. Without either the answer is the usual one, late, and ``change`` makes
    of it what leaves. ``stall`` is silence in the middle of the body, in seconds; ``trickle`` the
    seconds between two of its bytes. ``parts`` follow ``body``, for what is too large to hold.
    ``raw`` leaves as it is, and no answer of HTTP; then the connection ends.
    """

    status: int | None = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    break_off: bool = False
    stall: float = 0.0
    parts: Iterable[bytes] = ()
    trickle: float = 0.0
    raw: bytes | None = None
    change: Callable[[Answer], Answer] | None = None
    fault: str = ""

    @property
    def is_usual(self) -> bool:
        """It is made of the usual answer: the server does its work."""
        return self.status is None and not self.break_off and self.raw is None

    def of(self, usual: Answer) -> Answer:
        """What leaves instead of the usual answer."""
        changed = usual if self.change is None else self.change(usual)
        return dataclasses.replace(
            changed,
            delay=self.delay or changed.delay,
            stall=self.stall or changed.stall,
            trickle=self.trickle or changed.trickle,
            fault=self.fault,
        )


@dataclass
class Fault:
    """Answers each request whose path, or ``path?query``, matches; ``times`` is None for always,
    ``rate`` the share of them that it answers."""

    path_glob: str
    answer: Answer
    times: int | None = None
    rate: float = 1.0
    chance: Random = field(default_factory=Random)

    def __call__(self, request: Request) -> Answer | None:
        """The answer, or None to leave the request alone."""
        if not matches(self.path_glob, request):
            return None
        if self.rate < 1 and self.chance.random() >= self.rate:
            return None
        if self.times is not None:
            if self.times <= 0:
                return None
            self.times -= 1
        return self.answer


def matches(path_glob: str, request: Request) -> bool:
    """Whether the request's path, or ``path?query``, does."""
    whole = f"{request.path}?{request.query}"
    return any(fnmatchcase(text, path_glob) for text in (request.path, whole))


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
        rate: float = 1.0,
        seed: int = 0,
    ) -> None:
        """From now on answer like this. ``status=None`` with a delay is the usual answer, late.
        With a ``stall`` it stops in the middle for so many seconds. ``rate`` is the share of the
        requests that are answered so; which ones, ``seed`` says."""
        raw = body.encode() if isinstance(body, str) else body
        given = {"Content-Type": "text/html;charset=utf-8"} | dict(headers or {})
        answer = Answer(status, raw, given, delay, break_off, stall)
        self.faults.append(Fault(path_glob, answer, times, rate, Random(seed)))

    def clear_faults(self) -> None:
        """Answer as usual again."""
        self.faults.clear()

    def fault_of(self, request: Request) -> Answer | None:
        """What a fault answers to ``request``, if any does."""
        return next((a for fault in list(self.faults) if (a := fault(request)) is not None), None)

    def answered(
        self, request: Request, fault: Answer | None, usual: Callable[[], Answer]
    ) -> Answer:
        """The answer that leaves, which is noted. ``usual`` is called where the server works."""
        if fault is None or fault.is_usual:
            answer = usual()
            answer = answer if fault is None else fault.of(answer)
        else:
            answer = fault
        has_status = answer.status is not None and answer.raw is None
        status = answer.status if has_status and answer.status is not None else BROKEN_OFF
        self.requests.append(dataclasses.replace(request, status=status, fault=answer.fault))
        return answer


async def late(fault: Answer | None) -> Answer | None:
    """A request that is late, rather than its answer: of a fault that only delays."""
    if fault is None or not fault.is_usual or fault.change is not None:
        return fault
    await asyncio.sleep(fault.delay)
    return dataclasses.replace(fault, delay=0.0)


def request_of(scope: Scope) -> Request:
    """The request in an ASGI scope. The path stays encoded: a branch's name holds ``%2F``."""
    raw = scope.get("raw_path") or scope["path"].encode()
    query = unquote_plus(scope["query_string"].decode("latin-1"))
    path = raw.decode("latin-1").partition("?")[0]
    return Request(scope["method"], path, query, at=time.monotonic())


async def send_answer(scope: Scope, send: Send, answer: Answer) -> None:
    """Send ``answer``, or break the connection off where it says so."""
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.raw is not None:
        await _send_raw(scope, answer.raw, answer.trickle, answer.stall)
        return
    if answer.status is None:
        await break_off(scope)
        return
    length = len(answer.body) + (1 if answer.break_off else 0)
    headers = {} if answer.parts else {"Content-Length": str(length)}
    headers |= answer.headers
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if answer.trickle:
        await _send_parts(scope, send, _bytes_of(answer), 0.0, answer.trickle)
        return
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
        await _send_parts(scope, send, answer.parts, answer.stall, 0.0)


def _bytes_of(answer: Answer) -> Iterable[bytes]:
    for part in (answer.body, *answer.parts):
        for at in range(len(part)):
            yield part[at : at + 1]


async def _send_parts(
    scope: Scope, send: Send, parts: Iterable[bytes], first_gap: float, gap: float
) -> None:
    for part in parts:
        if not _is_open(scope):  # the client has heard enough
            return
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(first_gap or gap)
        first_gap = 0.0
    await send({"type": "http.response.body", "body": b""})


async def _send_raw(scope: Scope, raw: bytes, trickle: float, stall: float) -> None:
    """Only :class:`poller.demo.server.Server` can."""
    write = scope["extensions"]["poller.write"]
    for at in range(len(raw)) if trickle else ():
        if _is_open(scope):
            write(raw[at : at + 1])
            await asyncio.sleep(trickle)
    if not trickle:
        write(raw)
    await asyncio.sleep(stall)
    scope["extensions"]["poller.close"]()
    await asyncio.sleep(0.01)


def _is_open(scope: Scope) -> bool:
    return bool(scope.get("extensions", {}).get("poller.is_open", lambda: True)())


async def break_off(scope: Scope) -> None:
    """Close the connection as a crash would. Only :class:`poller.demo.server.Server` can."""
    scope["extensions"]["poller.abort"]()
    await asyncio.sleep(0.01)  # until uvicorn has seen it, or it would log the missing answer
