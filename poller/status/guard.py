"""What goes around every answer: the Host check, and the headers that keep a page to itself.

A page on loopback can be read by any web site whose name is made to point there (DNS rebinding),
unless the server looks at the name: it answers to addresses, to localhost and to its own names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s/]+)(?::\d{1,5})?")


class HostGuard:
    """ASGI middleware. A request under a name that is not ours gets 421 and nothing else."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if allowed(Headers(scope=scope).get("host", ""), self._hosts):
            await self._app(scope, receive, with_headers)
        else:
            refusal = PlainTextResponse("not a name of this page: [status] hosts lists them\n", 421)
            await refusal(scope, receive, with_headers)


def allowed(header: str, names: Collection[str]) -> bool:
    """Whether a ``Host`` header is an address, ``localhost`` or one of ``names``."""
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    host = match[1].strip("[]").rstrip(".").lower()
    return host == "localhost" or host in names or is_address(host)


def is_address(host: str) -> bool:
    """Whether it is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
