"""One HTTP client for both servers: limits of time and size, no redirects, errors of our own.

Every answer is hostile until parsed, so nothing is read past its limit and no redirect is
followed: credentials go to the configured host and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from httpx_retries import Retry, RetryTransport

from poller.errors import BadAnswer, NotFound, Unauthorized, Unreachable

RETRIED = (429, 502, 503, 504)
TRANSIENT = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Connection:
    """How to reach a server. ``timeout`` is in milliseconds, for one whole answer."""

    url: str
    timeout: int
    max_connections: int
    ca_file: str | None = None
    proxy: str | None = None


@dataclass(frozen=True)
class Answer:
    """A whole answer, within its size limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Streamed:
    """What became of a body that was handed over in chunks; ``read`` are its bytes, ``whole`` is
    false where the limit cut it."""

    status: int
    headers: Mapping[str, str]
    read: int
    whole: bool


def client(
    connection: Connection, *, retries: int, auth: httpx.Auth | None = None
) -> httpx.AsyncClient:
    """An httpx client for one server; ``retries`` above the transport, for what a moment cures.

    A proxy comes from the config, else from the environment (``https_proxy``, ``no_proxy``).
    """
    verify = ssl.create_default_context(cafile=connection.ca_file)
    transport = httpx.AsyncHTTPTransport(
        verify=verify,
        limits=httpx.Limits(
            max_connections=connection.max_connections,
            max_keepalive_connections=connection.max_connections,
        ),
        proxy=connection.proxy or environment_proxy(connection.url),
    )
    retry = Retry(
        total=retries,
        backoff_factor=0.3,
        max_backoff_wait=5,
        total_timeout=10,
        status_forcelist=RETRIED,
    )
    seconds = connection.timeout / 1000
    return httpx.AsyncClient(
        transport=RetryTransport(transport=transport, retry=retry),
        auth=auth,
        timeout=httpx.Timeout(seconds, pool=None),
        follow_redirects=False,
        trust_env=False,
    )


def environment_proxy(url: str) -> str | None:
    """The proxy that the environment names for ``url``, as curl and requests read it."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


async def ask(
    http: httpx.AsyncClient,
    request: httpx.Request,
    *,
    where: str,
    what: str,
    limit: int,
    seconds: float,
) -> Answer:
    """The whole answer to ``request``: at most ``limit`` bytes in at most ``seconds``.

    Raises Unreachable when there is none, BadAnswer when it is too large or can't be decoded.
    The status is for the caller to look at.
    """
    with _told(http, where, what, seconds):
        async with asyncio.timeout(seconds):
            response = await http.send(request, stream=True)
            try:
                return Answer(
                    response.status_code,
                    response.headers,
                    await _body(response, where, what, limit),
                )
            finally:
                await response.aclose()


async def stream(
    http: httpx.AsyncClient,
    request: httpx.Request,
    take: Callable[[bytes], None],
    *,
    where: str,
    what: str,
    limit: int,
    seconds: float,
) -> Streamed:
    """Hand the plain text of a 200 to ``take`` as it comes: about ``limit`` bytes, no more is read.

    Nothing is decompressed, so that no chunk is larger than it looks. Raises BadAnswer for what is
    no plain text; Unreachable when it takes longer than ``seconds`` or breaks off: what was handed
    over by then was right.
    """
    with _told(http, where, what, seconds):
        async with asyncio.timeout(seconds):
            response = await http.send(request, stream=True)
            try:
                read, whole = 0, True
                if response.status_code == 200:
                    _refuse_other_text(response, where, what)
                    async for chunk in response.aiter_raw():
                        take(chunk)
                        read += len(chunk)
                        if read >= limit:
                            whole = False
                            break
                return Streamed(response.status_code, response.headers, read, whole)
            finally:
                await response.aclose()


def _refuse_other_text(response: httpx.Response, where: str, what: str) -> None:
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if kind != "text/plain":
        raise BadAnswer(
            where, what, f"{kind[:80] or 'no content type'} where plain text is due",
            "is it a login page, or a proxy's?",
        )  # fmt: skip
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise BadAnswer(where, what, "compressed, which was not asked for")


@contextlib.contextmanager
def _told(http: httpx.AsyncClient, where: str, what: str, seconds: float) -> Iterator[None]:
    """The errors of httpx as ours."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException) as error:
        silent = isinstance(error, httpx.ReadTimeout) and (http.timeout.read or 0) < seconds
        waited = f"{http.timeout.read:g} s without a byte" if silent else f"{seconds:g} s"
        raise Unreachable(
            where, what, f"no answer in {waited}", "is it up, and reachable from here?"
        ) from error
    except httpx.DecodingError as error:
        raise BadAnswer(where, what, "the body is not encoded as its header says") from error
    except httpx.TransportError as error:
        hint = "is the url right, is it up, and reachable from here?"
        raise Unreachable(where, what, _reason(error), hint) from error


async def _body(response: httpx.Response, where: str, what: str, limit: int) -> bytes:
    too_large = BadAnswer(where, what, f"the answer is larger than {limit} bytes")
    if int(response.headers.get("Content-Length") or 0) > limit:
        raise too_large
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


def _reason(error: Exception) -> str:
    """The words of the innermost cause: httpx's own are often empty."""
    while error.__context__ is not None and isinstance(error.__context__, Exception):
        error = error.__context__
    return str(error) or type(error).__name__


def refuse(answer: Answer | Streamed, where: str, what: str, *, denied_hint: str) -> None:
    """Raise the error that a status other than 2xx means; a 2xx passes."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise Unauthorized(where, what, f"HTTP {status}", denied_hint)
    if status == 404:
        raise NotFound(where, what, "HTTP 404")
    if 300 <= status < 400:
        target = urlsplit(answer.headers.get("Location", ""))
        host = f"{target.scheme}://{target.hostname}" if target.hostname else target.path[:200]
        raise BadAnswer(
            where,
            what,
            f"HTTP {status} sends us to {host}, not followed",
            "set the url to the final address",
        )
    if status in TRANSIENT or status >= 500:
        error = Unreachable(where, what, f"HTTP {status}")
        error.retry_after = retry_after(answer.headers)
        raise error
    raise BadAnswer(where, what, f"HTTP {status}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds, 0 to 3,600; None when absent, a date, or nonsense."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return min(seconds, 3600.0) if seconds >= 0 else None
