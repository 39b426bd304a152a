"""The way to a server: proxy, name, TLS, and its clock; seen through the program's own client."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from poller.actions.check.finding import CheckResult, exit_code, ok, unavailable, warning, wrong
from poller.config.servers import AnyServer
from poller.context import connection_to
from poller.core.errors import ConfigError
from poller.core.times import DAY_MS
from poller.core.urls import goes_in_clear, without_password
from poller.http.client import Client, open_client
from poller.http.errors import DNS_HINT, NO_TLS_HINT, refused_certificate, tls_words, untrusted
from poller.http.front_door import LOOKED_AT
from poller.http.os_errors import os_words

SKEW_MS = 60_000
RENEW_DAYS = 14


@dataclass
class Reached:
    """What was seen on the way. ``status`` is None where no answer came, ``body`` how it begins."""

    results: list[CheckResult] = field(default_factory=list)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


async def reach(where: str, server: AnyServer, environ: Mapping[str, str], now: int) -> Reached:
    """Ask for the server's address, without token or key. ``now`` is epoch milliseconds."""
    reached = Reached()
    try:
        connection = connection_to(server, environ)
    except ConfigError as error:
        reached.results.append(wrong(where, str(error), error.hint))
        return reached
    if proxy := connection.proxy:
        source = "" if server.proxy else ", of the environment"
        reached.results.append(ok(where, f"through the proxy {without_password(proxy)}{source}"))
    host = urlsplit(proxy or connection.url).hostname or ""
    named = await _name(where, host, connection.timeout / 1000)
    reached.results += named
    if exit_code(named):
        return reached
    try:
        async with contextlib.aclosing(open_client(connection)) as client:
            await _ask(where, client, server, now, reached)
    except (httpx.HTTPError, TimeoutError) as error:
        reached.results.append(unavailable(where, *_reason(error, server, proxy=bool(proxy))))
    return reached


async def _ask(where: str, client: Client, server: AnyServer, now: int, reached: Reached) -> None:
    async with asyncio.timeout(server.timeout / 1000):
        plain = {"Accept-Encoding": "identity"}
        response = await client.send(client.request("GET", server.base, headers=plain))
        reached.status, reached.headers = response.status_code, response.headers
        try:
            async for part in response.aiter_raw():
                reached.body += part
                if len(reached.body) > LOOKED_AT:
                    break
        finally:
            await response.aclose()
    tls = response.extensions.get("tls")
    if tls is not None:
        reached.results.append(certificate(where, tls, server.ca_file, now))
    elif goes_in_clear(server.base):
        saw = "no TLS: token or API key go in clear, as allow_http lets them"
        reached.results.append(warning(where, saw, "use https://"))
    reached.results.append(clocks(where, reached.headers.get("Date", ""), now))


async def _name(where: str, host: str, seconds: float) -> list[CheckResult]:
    """What the name resolves to; nothing where it is an address."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return []
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, None, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or "no answer in time"
        return [unavailable(where, f"{host} does not resolve: {reason}", DNS_HINT)]
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return [ok(where, f"{host} is {', '.join(addresses[:3])}{more}")]


def certificate(where: str, tls: Any, ca_file: str | None, now: int) -> CheckResult:
    """The TLS version, how long the certificate is still good, and who vouches for it."""
    text = (tls.getpeercert() or {}).get("notAfter", "")
    expires = int(ssl.cert_time_to_seconds(text)) * 1000
    days = (expires - now) // DAY_MS
    until = datetime.fromtimestamp(expires / 1000, UTC).strftime("%Y-%m-%d")
    trust = f"ca_file {ca_file}" if ca_file else "this machine's CAs"
    saw = f"{tls.version()}, certificate good until {until} ({days} d), trusted by {trust}"
    if days < RENEW_DAYS:
        return warning(where, saw, "have it renewed")
    return ok(where, saw)


def clocks(where: str, date: str, now: int) -> CheckResult:
    """Our clock against the server's ``Date``."""
    try:
        theirs = int(parsedate_to_datetime(date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return ok(where, "no Date header: clocks not compared")
    skew = now - theirs
    if abs(skew) > SKEW_MS:
        side = "ahead of" if skew > 0 else "behind"
        saw = f"our clock is {abs(skew) // 1000} s {side} the server's"
        return warning(where, saw, "is NTP running on both?")
    return ok(where, "clocks agree")


def _reason(error: Exception, server: AnyServer, *, proxy: bool) -> tuple[str, str]:
    """Why no answer came, and the cure."""
    causes = list(_chain(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return untrusted(cause, server.ca_file)
        if isinstance(cause, ssl.SSLError) and (refused := refused_certificate(cause)):
            return refused
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {tls_words(cause)}", NO_TLS_HINT
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refuses: {error}", "may it reach that host? its login goes into its URL"
    if any(isinstance(cause, TimeoutError | httpx.TimeoutException) for cause in causes):
        saw = f"no answer in {server.timeout / 1000:g} s"
        return saw, "is it up, and reachable from here? a firewall, or a proxy to be named?"
    end = "the proxy" if proxy else "it"
    inner = next((cause for cause in reversed(causes) if str(cause)), None)
    words = os_words(inner) if isinstance(inner, OSError) else str(inner or "no answer")
    return words, f"is the url right, is {end} up, and reachable from here?"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
