"""python-jenkins against servers of every kind: each failure is an error of ours, in bounded time
and memory, and the token goes nowhere else."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path

import pytest
import trustme

from poller.actions.login import whoami
from poller.config.network import trust
from poller.core.errors import BadAnswer, NotFound, RemoteError, Unauthorized, Unreachable
from poller.http.client import Connection
from tests.support.tls_and_proxy import Handler, Wire, nothing, proxy, to

BASIC = base64.b64encode("reäder:s3cret-töken".encode())
JSON = b"Content-Type: application/json\r\n"
ME = JSON + b'Content-Length: 15\r\n\r\n{"id":"reader"}'


def says(status: str, rest: bytes, heads: list[bytes] | None = None) -> Handler:
    """A server with one answer, after which it says no more and keeps the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            writer.write(f"HTTP/1.1 {status}\r\n".encode() + rest)
            await writer.drain()
            await reader.read()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    return serve


def ask(url: str, *, ca_file: str | None = None, proxy: str | None = None) -> str:
    """Who we are there; a whole answer may take a second."""
    connection = Connection(url, 1_000, 1, trust(ca_file), proxy)
    return whoami("controller main", connection, "reäder", "s3cret-töken")


def test_one_question_with_user_and_token() -> None:
    """No crumb is fetched, and the program's own name is given."""
    heads: list[bytes] = []
    with Wire(says("200 OK", ME, heads)) as jenkins:
        assert ask(f"http://127.0.0.1:{jenkins.port}/ci/") == "reader"
    (head,) = heads
    assert head.startswith(b"GET /ci/me/api/json?depth=0 HTTP/1.1\r\n")
    assert b"Authorization: Basic " + BASIC in head
    assert b"User-Agent: sei-poller/" in head


ENDLESS = b"Transfer-Encoding: chunked\r\n\r\n" + 2_000 * (b"400\r\n" + 1024 * b" " + b"\r\n")


@pytest.mark.parametrize(
    ("status", "rest", "kind", "words"),
    [
        ("401 Unauthorized", b"Content-Length: 0\r\n\r\n", Unauthorized, "HTTP 401"),
        ("403 Forbidden", b"Content-Length: 0\r\n\r\n", Unauthorized, "HTTP 403"),
        ("404 Not Found", b"Content-Length: 0\r\n\r\n", NotFound, "HTTP 404"),
        ("429 Slow", b"Content-Length: 0\r\n\r\n", Unreachable, "HTTP 429"),
        ("500 Oops", b"Content-Length: 0\r\n\r\n", Unreachable, "HTTP 500"),
        ("502 Bad", b"Content-Length: 0\r\n\r\n", Unreachable, "HTTP 502"),
        ("200 OK", b"Content-Length: 9\r\n\r\n<html>hel", BadAnswer, "no JSON"),
        ("200 OK", JSON + b"Content-Length: 2\r\n\r\n[]", BadAnswer, "no JSON object"),
        (
            "200 OK",
            JSON + b"Content-Length: 5007\r\n\r\n" + b'{"id":' + 5000 * b"1" + b"}",
            BadAnswer,
            "no JSON",
        ),
        ("200 OK", ENDLESS, BadAnswer, "larger than 65536 bytes"),
        ("200 OK", JSON + b"Content-Length: 9\r\n\r\n{", Unreachable, "no answer in 1 s"),
        ("200 OK", b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", BadAnswer, "no JSON"),
    ],
)
def test_what_it_answers(status: str, rest: bytes, kind: type[RemoteError], words: str) -> None:
    """The error that the rest of the program knows, without user or token."""
    with Wire(says(status, rest)) as jenkins, pytest.raises(kind) as caught:
        ask(f"http://127.0.0.1:{jenkins.port}/")
    assert words in str(caught.value)
    assert "s3cret" not in repr(caught.value)


def test_no_redirect_is_followed() -> None:
    """Where to, is told."""
    heads: list[bytes] = []
    with Wire(nothing(heads)) as trap:
        to_trap = f"Location: http://127.0.0.1:{trap.port}/\r\nContent-Length: 0\r\n\r\n"
        with Wire(says("302 Found", to_trap.encode())) as jenkins, pytest.raises(BadAnswer) as told:
            ask(f"http://127.0.0.1:{jenkins.port}/")
    assert "HTTP 302 sends us to http://127.0.0.1, not followed" in str(told.value)
    assert heads == []


def test_the_way_there(tmp_path: Path) -> None:
    """An own CA, with and without a proxy; a CA that is not trusted; a proxy that refuses."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    ca_file = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca_file)
    heads: list[bytes] = []
    with (
        Wire(says("200 OK", ME)) as jenkins,
        Wire(to(jenkins.port), tls) as front,
        Wire(proxy(heads=heads)) as between,
        Wire(proxy(refuse=True)) as closed,
    ):
        url = f"https://localhost:{front.port}/"
        assert ask(url, ca_file=ca_file) == "reader"
        assert ask(url, ca_file=ca_file, proxy=f"http://127.0.0.1:{between.port}") == "reader"
        with pytest.raises(Unreachable, match="TLS: unable to get local issuer") as untrusted:
            ask(url)
        with pytest.raises(Unreachable, match="407"):
            ask(url, ca_file=ca_file, proxy=f"http://127.0.0.1:{closed.port}")
    assert "ca_file = " in untrusted.value.hint
    assert len(heads) == 1
    assert BASIC not in heads[0]


def test_what_does_not_answer() -> None:
    """A name that nobody knows, and a port where nobody listens."""
    with pytest.raises(Unreachable, match="the host's name does not resolve"):
        ask("http://jenkins.invalid/")
    with pytest.raises(Unreachable, match="refused"):
        ask("http://127.0.0.1:1/")


def test_nothing_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither python-jenkins' own variables nor those of requests."""
    (tmp_path / ".netrc").write_text("default login evil password netrc-canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("JENKINS_API_EXTRA_HEADERS", "X-Evil: canary")
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    heads: list[bytes] = []
    with Wire(says("200 OK", ME, heads)) as jenkins:
        assert ask(f"http://127.0.0.1:{jenkins.port}/") == "reader"
    assert b"canary" not in heads[0]
    assert b"Authorization: Basic " + BASIC in heads[0]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    with Wire(says("200 OK", ME), tls) as other, pytest.raises(Unreachable, match="TLS: "):
        ask(f"https://localhost:{other.port}/")
