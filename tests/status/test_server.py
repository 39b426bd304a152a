"""The status server over HTTP: what it answers to, what it refuses, and that polling goes on."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from poller.config.load import load
from poller.ledger import Ledger
from poller.status.guard import allowed
from poller.status.metrics import Metrics
from poller.status.server import MOST_AT_ONCE, TimeoutProtocol, serving, split_listen
from tests.status.conftest import Service, serve
from tests.support.site import KEY, TOKEN, Site, free_port, simulated
from tests.support.waiting import wait_for

PATHS = ("/", "/builds", "/builds/1", "/jobs/1", "/search?q=app", "/metrics", "/healthz", "/livez",
         "/builds/1/payload.json", "/static/style.css", "/static/live.js", "/nothing", "/builds/99")  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that change nothing."""
    with simulated(tmp_path_factory.mktemp("page")) as site:
        site.jenkins.job("app").build(parameters={"PASSWORD": "hunter2", "branch": "main"})
        with serve(site, more='hosts = ["poller.example.com"]') as running:
            running.wait_delivered(1)
            yield running


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_keeps_to_itself(service: Service, path: str) -> None:
    """Security headers everywhere, also on errors; nothing inline that a strict policy forbids."""
    answer = service.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "server" not in answer.headers
    if "html" in answer.headers["Content-Type"]:
        assert not re.search(r"<style|style=|<script(?! src=\"/)|\son\w+=|src=\"h", answer.text)


@pytest.mark.parametrize("path", PATHS)
def test_no_secret_is_told(service: Service, path: str) -> None:
    """Neither token, nor key, nor a parameter that is hidden."""
    text = service.get(path).text
    for secret in (TOKEN, KEY, "hunter2"):
        assert secret not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/builds/1", "/metrics", "/healthz", "/static/live.js"])
def test_nothing_can_be_changed(service: Service, method: str, path: str) -> None:
    """Only GET and HEAD."""
    assert service.http.request(method, service.url + path[1:]).status_code == 405
    assert service.http.head(service.url + path[1:]).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_host_gets_nothing(service: Service, path: str) -> None:
    """As a page of another site would ask, whose name was made to point here."""
    answer = service.get(path, Host="evil.example")
    assert answer.status_code == 421
    assert "app" not in answer.text
    assert service.get(path, Host="poller.example.com").status_code != 421


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/builds/99", 404),
        ("/builds/9223372036854775808", 404),
        ("/builds/" + "9" * 400, 404),
        ("/builds/-1", 404),
        ("/jobs/99", 404),
        ("/jobs/" + "9" * 30, 404),
        ("/builds/99/payload.json", 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
        ("/builds?before=9-9-9", 200),
        ("/builds?before=" + "9" * 50 + "-1-1", 200),
        ("/builds?before=nonsense", 200),
        ("/search?q=%00%ff%22'%3Cb%3E", 200),
        ("/search?q=" + "x" * 5000, 200),
        ("/search?q=app%20999999999", 200),
    ],
)
def test_odd_requests(service: Service, path: str, status: int) -> None:
    """A page, never a traceback."""
    assert status == service.get(path).status_code


def test_the_payload_is_what_was_sent(service: Service) -> None:
    """Byte by byte as SEI got it."""
    answer = service.get("/builds/1/payload.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert service.site.sei.received[0] == answer.json()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:9155", True), ("127.0.0.1", True), ("[::1]:9155", True), ("localhost:80", True),
        ("LOCALHOST", True), ("10.1.2.3:9155", True), ("poller.example.com.", True),
        ("Poller.Example.com:9155", True), ("evil.example", False), ("", False), ("a b", False),
        ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("[::1", False),
        ("localhost:80:90", False), ("user@localhost", False), ("localhost/x", False),
    ],
)  # fmt: skip
def test_hosts(host: str, expected: bool) -> None:
    """Addresses, localhost and the configured names: no other name can be made to point here."""
    assert expected == allowed(host, {"poller.example.com"})


def test_a_port_alone_is_on_loopback() -> None:
    """What the config may say."""
    assert split_listen("9155") == ("127.0.0.1", 9155)
    assert split_listen("0.0.0.0:80") == ("0.0.0.0", 80)  # noqa: S104
    assert split_listen("[::1]:9155") == ("::1", 9155)


def test_without_listen_there_is_no_page(site: Site) -> None:
    """And nothing else is different."""
    site.jenkins.job("app").build()
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        service.terminate()
        _, err = service.communicate(timeout=60)
    assert "status_page" not in err


def test_a_port_in_use_does_not_stop_polling(site: Site) -> None:
    """One sentence, told once, and builds arrive."""
    site.jenkins.job("app").build()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        site.configure(site.controller(every="1s"), more=f'[status]\nlisten = "127.0.0.1:{port}"')
        with site.start("run") as service:
            wait_for(lambda: len(site.sei.runs) == 1)
            site.jenkins.job("app").build()
            wait_for(lambda: len(site.sei.runs) == 2)
            service.terminate()
            _, err = service.communicate(timeout=60)
    assert service.returncode == 0
    assert err.count("status_page_unavailable") == 1
    assert "Address already in use" in err
    assert "Traceback" not in err


def test_the_page_comes_when_the_port_is_free(site: Site) -> None:
    """By itself."""
    port = free_port()
    site.configure(more=f'[status]\nlisten = "{port}"')
    settings = load(site.config, site.environ)
    Ledger(site.ledger).close()

    async def play() -> int:
        other = socket.socket()
        other.bind(("127.0.0.1", port))
        other.listen()
        async with (
            serving(settings, Metrics(settings), lambda: 0, again_seconds=0.05),
            httpx.AsyncClient() as http,
        ):
            await asyncio.sleep(0.2)
            other.close()
            deadline = time.monotonic() + 10
            while True:
                try:
                    return (await http.get(f"http://127.0.0.1:{port}/livez")).status_code
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.05)

    assert asyncio.run(play()) == 200


def test_a_ledger_that_is_gone_is_told(site: Site) -> None:
    """503 and a sentence for people and for a health check, while the server lives on."""
    port = free_port()
    site.configure(more=f'[status]\nlisten = "{port}"')
    settings = load(site.config, site.environ)

    async def play() -> list[httpx.Response]:
        async with (
            serving(settings, Metrics(settings), lambda: 0),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
        ):
            await asyncio.sleep(0.3)
            return [await http.get(path) for path in ("/", "/healthz", "/metrics", "/livez")]

    page, health, metrics, live = asyncio.run(play())
    assert [a.status_code for a in (page, health, metrics, live)] == [503, 503, 503, 200]
    assert "there is none yet" in page.text
    assert "there is none yet" in health.text


SLOW = (
    b"",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /liv",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\nx",
)
"""What keeps a server waiting: nothing, half a request, half a second one, a body without end."""

NEVER_READ = b"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2_000


def test_slow_connections_do_not_keep_others_out(site: Site) -> None:
    """As many as there are places: each is closed in time, and others are answered again."""

    class Quick(TimeoutProtocol):
        request_seconds, answer_seconds = 1.5, 2.0

    port = free_port()
    site.configure(more=f'[status]\nlisten = "{port}"')
    settings = load(site.config, site.environ)
    Ledger(site.ledger).close()

    async def slow(says: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(says)
        return reader, writer

    async def read(reader: asyncio.StreamReader) -> int:
        count = 0
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(1 << 16):
                count += len(part)
        return count

    async def play() -> tuple[set[int], int, int]:
        async with (
            serving(settings, Metrics(settings), lambda: 0, protocol=Quick),
            httpx.AsyncClient() as http,
        ):
            await asyncio.sleep(0.3)
            every = [await slow(SLOW[place % 2]) for place in range(MOST_AT_ONCE)]
            url, deadline = f"http://127.0.0.1:{port}/livez", time.monotonic() + 10
            seen = {(await http.get(url)).status_code}
            while 200 not in seen and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
                seen.add((await http.get(url)).status_code)
            every += [await slow(says) for says in SLOW]
            unread, writer = await slow(NEVER_READ)
            size = len((await http.get(url.replace("livez", "static/style.css"))).content)
            await asyncio.sleep(6)  # until writing has come to its end, too, on a busy machine
            for reader, one in every:
                await asyncio.wait_for(read(reader), 5)
                one.close()
            got = await asyncio.wait_for(read(unread), 5)
            writer.close()
            return seen, got, 2_000 * size

    seen, got, whole = asyncio.run(play())
    assert seen == {503, 200}
    assert got < whole


def test_a_listen_that_is_none_is_refused(site: Site) -> None:
    """With the key, before anything starts."""
    for wrong in ("127.0.0.1:70000", "no port", "::1:80", "host:port"):
        site.configure(more=f'[status]\nlisten = "{wrong}"')
        refused = site.run("config", "show")
        assert refused.returncode == 78
        assert "status.listen" in refused.stderr


def test_templates_hold_no_address_of_others() -> None:
    """Everything that a page needs comes from the program."""
    files = [*Path("poller/status").rglob("*.html"), *Path("poller/status").rglob("*.[cj]s*")]
    assert len(files) > 8
    for file in files:
        assert "http" not in file.read_text().replace("HTTP", ""), file
