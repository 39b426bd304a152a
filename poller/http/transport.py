"""aiohttp's connections under httpx's names: httpx's own take three times the CPU a request.

Nothing is followed, repeated, decompressed, remembered or read from the environment here; an URL
goes out as it is, as ``%252F`` in a path is not ``%2F``.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Self
from weakref import WeakSet

import aiohttp
import httpx
from aiohttp.connector import Connection
from yarl import URL

LINE_LIMIT = 64 * 1024
"""Bytes of one header: proxies send policies of more than the usual 8 KiB."""

AT_ONCE = 2**18
"""Bytes of a request's body that go out as one."""

IDLE_SECONDS = 15.0
"""How long a connection that nobody uses stays open."""

SENT_ANYHOW = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would add of its own; the request has what is to be sent."""

USED: WeakSet[asyncio.BaseProtocol] = WeakSet()
"""The open connections that have brought an answer."""


class IdleConnectionDropped(httpx.ReadError):
    """A connection that had been idle was closed before it brought another answer."""


class Transport(httpx.AsyncBaseTransport):
    """The connections to one server, at most ``max_connections``, maybe through a ``proxy``.

    Raises what httpx's own transport raises. The TLS object of an answer is in its
    ``extensions["tls"]``.
    """

    def __init__(
        self, trust: ssl.SSLContext | None, max_connections: int, proxy: str | None
    ) -> None:
        self._trust = trust
        self._max_connections = max_connections
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer's head; its body comes as it is read."""
        if self._session is None:
            self._session = self._open()
        seconds = request.extensions.get("timeout", {})
        assert isinstance(request.stream, httpx.ByteStream)  # noqa: S101 - of our client
        body = b"".join(request.stream)
        with _errors():
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                # What is large goes bit by bit, as fast as it is taken.
                data=io.BytesIO(body) if len(body) > AT_ONCE else body or None,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=seconds.get("connect"), sock_read=seconds.get("read")
                ),
            )
        assert isinstance(response, _Response)  # noqa: S101 - the session makes no other
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(response),
            request=request,
            extensions={"tls": response.tls},
        )

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections, ssl=self._trust or True, keepalive_timeout=IDLE_SECONDS
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Response,
            max_field_size=LINE_LIMIT,
            max_line_size=LINE_LIMIT,
            middlewares=(send_once,),
            skip_auto_headers=SENT_ANYHOW,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class _Response(aiohttp.ClientResponse):
    """An answer that knows its connection's TLS when the connection is given back already."""

    tls: ssl.SSLObject | None = None

    async def start(self, connection: Connection) -> Self:
        """Read the head."""
        protocol = connection.protocol  # an answer that is whole gives it back
        assert protocol is not None  # noqa: S101 - it was just taken
        if protocol.transport is not None:
            self.tls = protocol.transport.get_extra_info("ssl_object")
        try:
            await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if protocol in USED:
                raise IdleConnectionDropped(str(error)) from error
            raise
        USED.add(protocol)
        return self


class _Body(httpx.AsyncByteStream):
    """A body in the parts in which it came."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors():
            while part := await self._response.content.readany():
                yield part

    async def aclose(self) -> None:
        """Give the connection back; one with a body that nobody read is closed."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


async def send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp's middleware. aiohttp sends a request once more for some errors of its own, and so
    none of those comes back to it."""
    with _errors():
        return await handler(request)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """aiohttp's errors as httpx's."""
    try:
        yield
    except (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError) as error:
        raise httpx.ProxyError(str(error)) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except aiohttp.ServerTimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise httpx.ConnectError(str(error)) from error.certificate_error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(str(error)) from error.os_error
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise httpx.RemoteProtocolError(_words(error)) from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx.UnsupportedProtocol(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(str(error)) from error


def _words(error: aiohttp.ClientPayloadError | aiohttp.ClientResponseError) -> str:
    """What aiohttp's parser says, on one line, without the bytes that it draws below."""
    message = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    lines = [line.strip() for line in message.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("b'", 'b"', "^")))
