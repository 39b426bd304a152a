"""One HTTP client for both servers: limits of time and size, no redirects, errors of our own.

Every answer is hostile until parsed, so nothing is read past its limit and no redirect is
followed: credentials go to the configured host and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from poller import __version__
from poller.core.errors import BadAnswer, Unreachable
from poller.core.events import NO_EVENTS, Events
from poller.http.decompress import ACCEPTED, DecompressError, decompressor
from poller.http.errors import (
    DNS_HINT,
    NO_TLS_HINT,
    HttpResponse,
    refused_certificate,
    tls_words,
    too_large,
    untrusted,
)
from poller.http.os_errors import os_words
from poller.http.retry import RetryTransport
from poller.http.transport import Transport

USER_AGENT = f"sei-poller/{__version__} (jenkins-sei-poller)"
"""Says in every server's log who asks: the command, its version, and the project to look for."""


HEADERS = "latin-1"
"""Of headers both ways (RFC 9110, 5.5); unsaid, httpx tries one after the other at each look."""


ANSWER_LIMIT = 32 * 2**20
"""What is read takes up to 13 times as much memory, for a moment."""

NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""Errors that say nothing of what was to be asked."""


@dataclass(frozen=True)
class Connection:
    """How to reach a server. ``timeout`` is in milliseconds, for one whole answer."""

    url: str
    timeout: int
    max_connections: int
    ssl_context: ssl.SSLContext | None = None
    """Whom to believe, and who we are; clients of one program share it. None, where nothing is
    encrypted."""
    proxy: str | None = None
    server: str = ""
    """Its name in events."""
    events: Events = NO_EVENTS
    answer_limit: int = ANSWER_LIMIT
    """Bytes of the largest answer that is read."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of every request, for what stands before the server: secrets."""


class Client:
    """The way to one server: connections, a time limit, and the headers that every request has.

    ``credentials`` are headers, too, and in no repr.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        timeout: float,
        credentials: Mapping[str, str],
    ) -> None:
        self.timeout = timeout
        """In seconds."""
        self._transport = transport
        self._extensions = {"timeout": httpx.Timeout(timeout, pool=None).as_dict()}
        every = {"Accept": "*/*", "Accept-Encoding": ACCEPTED, "User-Agent": USER_AGENT}
        self._headers = httpx.Headers({**every, **credentials})

    def request(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Request:
        """A request that can be sent once."""
        # As a stream it is not looked at for headers that the transport knows to add.
        made = httpx.Request(
            method, url, headers=self._headers, stream=httpx.ByteStream(content or b""),
            extensions=dict(self._extensions),
        )  # fmt: skip
        made.headers.encoding = HEADERS
        if headers:
            made.headers.update(headers)
        return made

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The head of the answer. Raises httpx.TransportError; the answer has to be closed."""
        response = await self._transport.handle_async_request(request)
        response.request = request
        response.headers.encoding = HEADERS
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def open_client(
    connection: Connection,
    *,
    credentials: Mapping[str, str] | None = None,
    retry_statuses: Collection[int] = (),
) -> Client:
    """A client for one server. A GET is sent once more where its connection broke or its answer has
    one of ``retry_statuses``.

    Nothing of the environment counts but OpenSSL's own variables: no ``~/.netrc``.
    """
    transport = Transport(connection.ssl_context, connection.max_connections, connection.proxy)
    retrying = RetryTransport(transport, connection.server, connection.events, retry_statuses)
    every = {**connection.headers, **(credentials or {})}
    return Client(retrying, connection.timeout / 1000, every)


def basic(user: str, password: str) -> dict[str, str]:
    """The header of HTTP's Basic authentication (RFC 7617), UTF-8."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {login}"}


async def fetch(
    http: Client,
    request: httpx.Request,
    *,
    where: str,
    what: str,
    limit: int,
    seconds: float,
) -> HttpResponse:
    """The whole answer to ``request``: at most ``limit`` bytes in at most ``seconds``.

    Raises Unreachable when there is none, BadAnswer when it is too large or can't be decoded.
    The status is for the caller to look at.
    """
    with translate_errors(where, what, f"no answer in {seconds:g} s"):
        async with asyncio.timeout(seconds):
            response = await http.send(request)
            try:
                body = await _body(response, where, what, limit, seconds)
            finally:
                await response.aclose()
    return HttpResponse(response.status_code, response.headers, body)


@contextlib.contextmanager
def translate_errors(where: str, what: str, too_slow: str) -> Iterator[None]:
    """httpx's errors as ours."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException) as error:
        hint = "is it up, and reachable from here?"
        none = Unreachable(where, what, too_slow, hint)
        none.away = isinstance(error, NO_CONNECTION)
        raise none from error
    except DecompressError as error:
        raise BadAnswer(where, what, str(error)) from error
    except httpx.TransportError as error:
        none = Unreachable(where, what, *reason_of(error))
        none.away = isinstance(error, NO_CONNECTION)
        raise none from error


LEAST_RATE = 100
"""Bytes a second of an answer that is read while it comes, on average over each ``timeout``.
Jenkins loads builds for it: some 20 ms each where its disk is slow, for some 20 bytes."""


@contextlib.asynccontextmanager
async def stream(
    http: Client, request: httpx.Request, *, where: str, what: str, limit: int, seconds: float
) -> AsyncIterator[tuple[HttpResponse, AsyncIterator[bytes]]]:
    """An answer of at most ``limit`` bytes that is read while it comes; its
    :class:`HttpResponse` has no body. The client's timeout holds for each part, ``seconds`` for all
    of it, and it comes no slower than LEAST_RATE. Raises as :func:`fetch` does.
    """
    with translate_errors(where, what, "no more of the answer in time"):
        try:
            async with asyncio.timeout(seconds) as whole:
                response = await http.send(request)
                try:
                    parts = _parts(response, where, what, limit, http.timeout)
                    yield HttpResponse(response.status_code, response.headers, b""), parts
                finally:
                    await response.aclose()
        except TimeoutError:
            if not whole.expired():
                raise
            raise Unreachable(where, what, f"not done in {seconds:g} s") from None


async def _parts(
    response: httpx.Response, where: str, what: str, limit: int, window: float
) -> AsyncIterator[bytes]:
    read = 0
    unpack = decompressor(response.headers.get("Content-Encoding", ""))
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of an async transport
    clock = asyncio.get_running_loop().time
    came, began = 0, clock()
    async for raw in response.stream:
        came += len(raw)
        if (now := clock()) >= began + window:
            if came < LEAST_RATE * (now - began):
                why = f"it comes slower than {LEAST_RATE} bytes a second"
                raise Unreachable(where, what, why)
            came, began = 0, now
        for chunk in unpack.feed(raw):
            read += len(chunk)
            if read > limit:
                raise too_large(response, where, what, limit)
            yield chunk
    unpack.end()


async def _body(
    response: httpx.Response, where: str, what: str, limit: int, window: float
) -> bytes:
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise too_large(response, where, what, limit)
    parts = _parts(response, where, what, limit, window)
    return b"".join([chunk async for chunk in parts])


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def reason_of(error: Exception) -> tuple[str, str]:
    """The words of the innermost cause, as httpx's own are often empty; and the cure."""
    while isinstance(inner := _cause(error), Exception):
        error = inner
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(error)
    if isinstance(error, ssl.SSLError) and (refused := refused_certificate(error)):
        return refused
    hint = "is the url right, is it up, and reachable from here?"
    if isinstance(error, socket.gaierror):
        return f"the host's name does not resolve: {error.strerror}", DNS_HINT
    if isinstance(error, ssl.SSLError):
        return f"TLS: {tls_words(error)}", NO_TLS_HINT
    if isinstance(error, OSError):
        return os_words(error), hint
    return " ".join(str(error).split()) or type(error).__name__, hint
