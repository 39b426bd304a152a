"""A GET is sent once more where a moment may cure it, within bounds; and bodies are unpacked within
theirs."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import tracemalloc
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.config.network import trust
from poller.core.errors import BadAnswer, Unreachable
from poller.core.events import NoEvents
from poller.delivery.iacm_client import RETRIED
from poller.demo.faults import Answer, Faulty, Receive, Scope, Send, request_of, send_answer
from poller.demo.server import Server
from poller.http.client import Client, Connection, fetch, open_client
from poller.http.decompress import PIECE, DecompressError, decompressor
from poller.http.errors import HttpResponse
from poller.http.retry import LONGEST_RETRY_AFTER, MOST_AT_ONCE, SHARE, RetryBudget, retry_after
from poller.http.transport import IdleConnectionDropped, Transport, send_once
from tests.support.random_faults import JSON, MIB, bomb
from tests.support.tls_and_proxy import Wire

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:{:02d} GMT"
"""In the minute of NOW, which is at 20 seconds."""


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("", None), ("soon", None), ("nan", None), ("0x10", None), ("; =,", None),
        ("Tue, 99 Foo 2023 99:99:99 GMT", None),
        ("Tue, 14 Nov 99999999999999999999 22:13:50 GMT", None),
        ("Tue, 14 Nov 2023 22:13:50 +9999999999", None),
        ("0", 0), ("7", 7), ("1.5", 1.5), ("-1", 0), ("-inf", 0),
        ("inf", None), ("1e999", None), ("9" * 400, None), ("86400", LONGEST_RETRY_AFTER), ("86401", None),
        (DATE.format(50), 30), ("Tuesday, 14-Nov-23 22:13:50 GMT", 30),
        ("Tue Nov 14 22:13:50 2023", 30), ("Tue, 14 Nov 2023 23:13:50 +0100", 30),
        (DATE.format(10), 0), ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after(given: str, seconds: float | None) -> None:
    """Seconds or any date of HTTP; nonsense and what is too much are none."""
    assert retry_after({"Retry-After": given}, lambda: NOW) == seconds


def test_a_date_is_measured_by_the_servers_clock() -> None:
    """Ours may be wrong by years."""
    headers = {"Retry-After": DATE.format(50), "Date": DATE.format(45)}
    assert retry_after(headers, lambda: 0.0) == 5
    assert retry_after({**headers, "Date": "yesterday"}, lambda: NOW) == 30


@given(st.text())
def test_retry_after_is_never_an_error(text: str) -> None:
    """Whatever stands there."""
    found = retry_after({"Retry-After": text}, lambda: NOW)
    assert found is None or 0 <= found <= LONGEST_RETRY_AFTER


@given(st.lists(st.integers(0, 5), max_size=200))
def test_retries_are_a_share_of_the_requests(wanted: list[int]) -> None:
    """However many are wanted after each request."""
    budget, spent = RetryBudget(), 0
    for retries in wanted:
        budget.note_request()
        spent += sum(budget.spend() for _ in range(retries))
    assert spent <= MOST_AT_ONCE + SHARE * len(wanted)


class Numb(Faulty):
    """A server with nothing but faults."""

    async def app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        request = request_of(scope)
        answer = self.answered(request, self.fault_of(request), lambda: Answer(200, b"{}", JSON))
        await send_answer(scope, send, answer)


@pytest.fixture
def numb() -> Iterator[tuple[Numb, Server]]:
    """It, and where it is."""
    numb = Numb()
    with Server(numb.app) as server:
        yield numb, server


def ask(server: Server, times: int = 1, limit: int = MIB) -> list[object]:
    """What so many requests give: an answer, or an error."""
    connection = Connection(server.url, 5_000, 2)

    async def all_of_them() -> list[object]:
        async with contextlib.aclosing(open_client(connection, retry_statuses=RETRIED)) as client:
            return [
                (
                    await asyncio.gather(
                        fetch(
                            client, client.request("GET", server.url),
                            where="here", what="it", limit=limit, seconds=10,
                        ),
                        return_exceptions=True,
                    )
                )[0]
                for _ in range(times)
            ]  # fmt: skip

    return asyncio.run(all_of_them())


def test_a_moment_is_cured_and_an_outage_costs_a_quarter_more(numb: tuple[Numb, Server]) -> None:
    """One retry, and over time one for four requests."""
    server, place = numb
    server.fail(status=503, times=1)
    (answer,) = ask(place)
    assert isinstance(answer, HttpResponse)
    assert answer.status == 200
    server.clear_faults()
    server.requests.clear()
    server.fail(status=503)
    ask(place, 12)
    assert len(server.requests) <= 12 + MOST_AT_ONCE + 12 * SHARE


def test_a_server_that_wants_to_be_left_alone_is(numb: tuple[Numb, Server]) -> None:
    """A wait longer than a request may take is for the caller to keep."""
    server, place = numb
    server.fail(status=429, headers={"Retry-After": "60"})
    (answer,) = ask(place)
    assert isinstance(answer, HttpResponse)
    assert answer.status == 429
    assert len(server.requests) == 1


class Dropping:
    """Answers ``answered`` requests on each connection, or only on the ``first`` ones, and drops it
    under the next."""

    def __init__(self, answered: int, first: int = 1_000) -> None:
        self._answered = answered
        self._first = first
        self.connections = 0
        self.methods: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            answered = self._answered if self.connections <= self._first else 1_000
            for left in range(answered, -1, -1):
                head = await reader.readuntil(b"\r\n\r\n")
                self.methods.append(head.split()[0].decode())
                if left:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()


class Counted(NoEvents):
    """The status of each attempt of a request to ``main``."""

    def __init__(self) -> None:
        self.statuses: list[int | None] = []

    def request_done(self, server: str, path: str, status: int | None) -> None:
        """One attempt."""
        assert (server, path) == ("main", "/")
        self.statuses.append(status)


def send(port: int, *methods: str, scheme: str = "http") -> tuple[list[object], list[int | None]]:
    """What requests give, one after the other, and the status of each attempt that was counted."""
    url = f"{scheme}://127.0.0.1:{port}/"
    counted = Counted()
    connection = Connection(url, 5_000, 2, server="main", events=counted)

    async def all_of_them() -> list[object]:
        async with contextlib.aclosing(open_client(connection, retry_statuses=RETRIED)) as client:
            given: list[object] = []
            for method in methods:
                request = client.request(method, url)
                try:
                    answer = await fetch(
                        client, request, where="here", what="it", limit=MIB, seconds=10
                    )
                    given.append(answer.status)
                except Unreachable as error:
                    given.append(type(error))
            return given

    return asyncio.run(all_of_them()), counted.statuses


def test_a_get_leaves_twice_over_an_idle_connection_that_is_dropped() -> None:
    """And is counted twice; the second is answered over a new one."""
    server = Dropping(1)
    with Wire(server.serve) as wire:
        assert send(wire.port, "GET", "GET") == ([200, 200], [200, None, 200])
    assert server.methods == ["GET"] * 3
    assert server.connections == 2


def test_idle_connections_that_are_dropped_all_at_once_cost_no_budget() -> None:
    """As a proxy that starts anew does it: every GET is answered over a new connection."""
    count = 8
    server = Dropping(1, first=count)

    async def twice(port: int) -> list[int]:
        url = f"http://127.0.0.1:{port}/"
        connection = Connection(url, 5_000, count)
        async with contextlib.aclosing(open_client(connection)) as client:
            for _ in range(2):
                answers = await asyncio.gather(
                    *(
                        fetch(
                            client, client.request("GET", url),
                            where="here", what="it", limit=MIB, seconds=10,
                        )
                        for _ in range(count)
                    )
                )  # fmt: skip
        return [answer.status for answer in answers]

    with Wire(server.serve) as wire:
        assert asyncio.run(twice(wire.port)) == [200] * count


def test_a_get_leaves_twice_where_every_connection_is_dropped() -> None:
    """And no third time."""
    server = Dropping(0)
    with Wire(server.serve) as wire:
        assert send(wire.port, "GET") == ([Unreachable], [None, None])
    assert server.methods == ["GET"] * 2
    assert server.connections == 2


@pytest.mark.parametrize("answered", [0, 1])
def test_a_post_leaves_once(answered: int) -> None:
    """Over a new connection that is dropped, and over an idle one."""
    server = Dropping(answered)
    with Wire(server.serve) as wire:
        given, counted = send(wire.port, *["POST"] * (answered + 1))
    assert given == [200] * answered + [Unreachable]
    assert counted == [200] * answered + [None]
    assert server.methods == ["POST"] * (answered + 1)
    assert server.connections == 1


@pytest.mark.parametrize(("middlewares", "leaves"), [((), 2), ((send_once,), 1)])
def test_each_attempt_of_aiohttp_passes_its_middleware(
    middlewares: tuple[aiohttp.ClientMiddlewareType, ...], leaves: int
) -> None:
    """It sends a GET once more by itself, but not where ours is among them."""
    server = Dropping(0)
    passed: list[str] = []

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        passed.append(request.method)
        return await handler(request)

    async def get(port: int) -> None:
        async with aiohttp.ClientSession(middlewares=(note, *middlewares)) as session:
            with pytest.raises(
                (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, httpx.ReadError)
            ):
                await session.get(f"http://127.0.0.1:{port}/")

    with Wire(server.serve) as wire:
        asyncio.run(get(wire.port))
    assert passed == server.methods == ["GET"] * leaves


@pytest.mark.parametrize("answered", [0, 1])
def test_the_transport_repeats_nothing_and_says_what_was_dropped(answered: int) -> None:
    """An idle connection, or one that was new."""
    server = Dropping(answered)

    async def get(port: int) -> None:
        transport = Transport(trust(None), 2, None)
        async with contextlib.aclosing(Client(transport, 5, {})) as client:
            for _ in range(answered):
                response = await client.send(client.request("GET", f"http://127.0.0.1:{port}/"))
                assert await response.aread() == b"{}"
            with pytest.raises(httpx.ReadError) as caught:
                await client.send(client.request("GET", f"http://127.0.0.1:{port}/"))
            assert isinstance(caught.value, IdleConnectionDropped) is bool(answered)

    with Wire(server.serve) as wire:
        asyncio.run(get(wire.port))
    assert server.methods == ["GET"] * (answered + 1)
    assert server.connections == 1


def test_a_failure_to_connect_is_not_repeated() -> None:
    """Neither where TLS is due and the connection is dropped, nor where nobody listens."""
    connections = 0

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1)
        writer.transport.abort()

    with Wire(drop) as wire:
        assert send(wire.port, "GET", scheme="https") == ([Unreachable], [None])
    assert connections == 1
    assert send(wire.port, "GET") == ([Unreachable], [None])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_gzip_bomb_takes_no_memory(numb: tuple[Numb, Server], layers: int) -> None:
    """Little that stands for gigabytes, under one gzip and under several."""
    server, place = numb
    encoding = ", ".join(["gzip"] * layers)
    server.fail(status=200, body=bomb(layers), headers={**JSON, "Content-Encoding": encoding})
    tracemalloc.start()
    (error,) = ask(place)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(error, BadAnswer)
    assert most < 8 * MIB


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_pieces_are_the_body(size: int) -> None:
    """Whatever the parts in which it comes."""
    body = bytes(size)
    packed = gzip.compress(body)
    for step in (1, 7, len(packed)):
        gzipped = decompressor("gzip")
        parts = [packed[at : at + step] for at in range(0, len(packed), step)]
        pieces = [piece for part in parts for piece in gzipped.feed(part)]
        gzipped.end()
        assert b"".join(pieces) == body
        assert max(map(len, pieces), default=0) <= PIECE


GZIPPED = gzip.compress(b"{}", mtime=0)


@pytest.mark.parametrize(
    "body", [b"{}", GZIPPED[:-1], GZIPPED + b"{}"], ids=["no gzip", "cut off", "with more behind"]
)
def test_no_gzip_of_one_piece_is_refused(body: bytes) -> None:
    """Not packed at all, cut off, or with something behind."""
    with pytest.raises(DecompressError):
        unpacked(body)


def unpacked(packed: bytes) -> bytes:
    """All of it at once."""
    gzipped = decompressor("gzip")
    body = b"".join(gzipped.feed(packed))
    gzipped.end()
    return body


@pytest.mark.parametrize("length", ["many", "-5", "1, 2", "9" * 30, "\xb2"])
def test_a_length_that_is_none_is_an_error_of_ours(numb: tuple[Numb, Server], length: str) -> None:
    """Never a traceback."""
    server, place = numb
    raw = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{}}".encode("latin-1")
    server.faults.append(lambda _request: Answer(None, raw=raw))
    (error,) = ask(place)
    assert isinstance(error, Unreachable | BadAnswer)
