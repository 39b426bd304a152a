"""What stands before Jenkins and SEI and wants more than a token: a header, a client certificate.
With it the real program gets through; without it, it says what it met, and what to set."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from poller.http.front_door import door_page, login_page, redirect_hint
from tests.support.site import Site
from tests.support.tls_and_proxy import Handler, Wire, answer, door, nothing, to

SECRET = "door-s3cret-canary"
HTML = "Content-Type: text/html; charset=utf-8"
SIGN_IN = b"<!doctype html><title>Sign in to Acme</title><form><input type=password></form>"
LOGIN_PAGE = answer("200 OK", SIGN_IN, HTML)
BLOCKED = answer("403 Forbidden", b"<html><title>Request Rejected</title>", HTML)
SENT_AWAY = answer("302 Found", b"", "Location: https://acme.cloudflareaccess.com/cdn-cgi/login")
NO_CERTIFICATE = answer(
    "400 Bad Request", b"<html><title>400 No required SSL certificate was sent</title>", HTML
)


def configure(site: Site, jenkins: str, sei: str, *, table: str = "", more: str = "") -> None:
    """Both servers at other addresses, with more lines for the controller's table, and at the end
    of the file."""
    controller = site.controller(url=jenkins) + table
    site.configure(controller, base_url=f"{sei}sei/api/v1", more=more)


def findings(site: Site) -> dict[str, dict[str, str]]:
    """What `check --json` finds wrong, by subject."""
    return {one["subject"]: one for one in site.read("check") if one["state"] == "wrong"}


def test_headers_open_the_door(site: Site) -> None:
    """Every request of every command has them; they are shown nowhere, and are in no file of ours.
    What repeats them is masked."""
    heads: list[bytes] = []
    file = site.directory / "door"
    file.write_text(SECRET + "\n")
    site.environ["DOOR"] = f"Bearer {SECRET}"
    site.jenkins.job("app").build()
    wanted = SECRET.encode()
    with (
        Wire(door(site.jenkins_server.port, wanted, LOGIN_PAGE, heads)) as jenkins,
        Wire(door(site.sei_server.port, wanted, LOGIN_PAGE, heads)) as sei,
    ):
        configure(
            site, f"http://127.0.0.1:{jenkins.port}/", f"http://127.0.0.1:{sei.port}/",
            table=f"headers = {{ X-Door = {{ file = {json.dumps(str(file))} }} }}\n",
            more='[sei.headers]\nCookie = { env = "DOOR" }\n',
        )  # fmt: skip
        for command in (["check"], ["once"], ["preview", "app", "1"], ["config", "show"]):
            result = site.run(*command)
            assert result.returncode == 0, result.stdout + result.stderr
            assert SECRET not in result.stdout + result.stderr
        site.jenkins.job("app").build()
        site.sei.fail(status=400, body=json.dumps({"cookie": f"Bearer {SECRET}", "door": SECRET}))
        site.run("once")
        told = site.run("rejected")
    assert len(site.sei.runs) == 1
    for path in (b"GET /me/api/json", b"POST /sei/api/v1/custom-cicd", b"GET /sei/api/v1/cicd/"):
        assert any(head.startswith(path) for head in heads), path
    for head in heads:
        name = b"cookie: bearer " if b" /sei/" in head else b"x-door: "
        assert head.lower().count(name + wanted + b"\r\n") == head.count(wanted) == 1
    assert '"door":"****"' in told.stdout.replace(" ", "")
    assert SECRET not in told.stdout
    for kept in site.directory.glob("ledger.db*"):
        assert wanted not in kept.read_bytes()


@pytest.mark.parametrize(
    ("refusal", "saw", "at_sei"),
    [
        (LOGIN_PAGE, "a login page (Sign in to Acme)", "a login page (Sign in to Acme)"),
        (BLOCKED, "a page of something before it (Request Rejected)", "HTTP 403"),
        (SENT_AWAY, "sends us to https://acme.cloudflareaccess.com", "https://acme.cloudflare"),
    ],
)
def test_a_door_without_its_header_is_named(
    site: Site, refusal: bytes, saw: str, at_sei: str
) -> None:
    """By `check`, by `once`, and by the queue; the cure is what to set."""
    site.jenkins.job("app").build()
    site.run("once")
    site.jenkins.job("app").build()
    with (
        Wire(door(site.jenkins_server.port, b"X-Door", refusal)) as jenkins,
        Wire(door(site.sei_server.port, b"X-Door", refusal)) as sei,
    ):
        urls = (f"http://127.0.0.1:{jenkins.port}/", f"http://127.0.0.1:{sei.port}/")
        configure(site, *urls)
        found = findings(site)
        once = site.run("once")
        configure(site, site.jenkins_server.url, urls[1])
        sent = site.run("once")
    assert saw in found["controller main"]["saw"]
    assert at_sei in found["SEI for main"]["saw"]
    assert once.returncode == 69
    assert saw in once.stdout
    assert at_sei in sent.stdout
    told = [found["controller main"]["cure"], once.stderr]
    told += [found["SEI for main"]["cure"], sent.stderr] if refusal != BLOCKED else []
    for text in told:
        assert "headers or client_cert" in text
        assert "docs/front-doors.md" in text
    assert len(site.sei.runs) == 1


def test_headers_go_to_no_other_host(site: Site) -> None:
    """Neither after a redirect nor to a proxy on the way."""
    heads: list[bytes] = []
    site.environ["DOOR"] = SECRET
    site.jenkins.job("app").build()
    with Wire(nothing(heads)) as trap:
        away = answer("302 Found", b"", f"Location: http://127.0.0.1:{trap.port}/login")
        with Wire(door(site.jenkins_server.port, b"X-Other", away)) as jenkins:
            configure(
                site, f"http://127.0.0.1:{jenkins.port}/", site.sei_server.url,
                table='headers.X-Door = { env = "DOOR" }\n',
            )  # fmt: skip
            assert site.run("check").returncode == 69
            assert site.run("once").returncode == 69
    assert heads == []


@pytest.fixture
def authority(site: Site) -> trustme.CA:
    """A CA for servers and clients; its certificate, a client's and the client's key are files."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(site.directory / "ca.pem")
    client = authority.issue_cert("poller@example.com")
    client.cert_chain_pems[0].write_to_path(site.directory / "client.pem")
    client.private_key_pem.write_to_path(site.directory / "client.key")
    return authority


def mutual(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side of TLS that wants a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def certificate(directory: Path) -> str:
    """The keys of a table that has one."""
    return (
        f'client_cert = "{directory}/client.pem"\n'
        f'client_key = {{ file = "{directory}/client.key" }}\n'
    )


@pytest.fixture
def mutual_doors(site: Site, authority: trustme.CA) -> Iterator[tuple[str, str]]:
    """The addresses of Jenkins and SEI behind mutual TLS."""
    tls = mutual(authority)
    with (
        Wire(to(site.jenkins_server.port), tls) as jenkins,
        Wire(to(site.sei_server.port), tls) as sei,
    ):
        yield f"https://localhost:{jenkins.port}/", f"https://localhost:{sei.port}/"


def over_tls(site: Site, urls: tuple[str, str], more: str = "") -> None:
    """Configure both behind TLS, with more lines in each table."""
    table = f'ca_file = "{site.directory}/ca.pem"\n{more}'
    configure(site, *urls, table=table)
    text = site.config.read_text()
    site.config.write_text(text.replace("[sei]\n", f"[sei]\n{table}"))


def test_a_client_certificate_opens_the_door(site: Site, mutual_doors: tuple[str, str]) -> None:
    """For every command, python-jenkins' question too; as a credential of systemd as well."""
    site.jenkins.job("app").build()
    over_tls(site, mutual_doors, certificate(site.directory))
    for command in (["check"], ["once"]):
        result = site.run(*command)
        assert result.returncode == 0, result.stdout + result.stderr
    assert len(site.sei.runs) == 1
    text = site.config.read_text()
    site.config.write_text(
        text.replace(f'{{ file = "{site.directory}/client.key" }}', '{ credential = "client.key" }')
    )
    site.environ["CREDENTIALS_DIRECTORY"] = str(site.directory)
    assert site.run("check").returncode == 0


@contextlib.contextmanager
def handshakes(tls: ssl.SSLContext) -> Iterator[int]:
    """A port where TLS begins and nothing else. asyncio ends a handshake without a word; OpenSSL,
    as servers use it, says why."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                wrapped = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                with wrapped, contextlib.suppress(OSError):
                    with pytest.raises(ssl.SSLError):
                        wrapped.do_handshake()
                    socket.socket.shutdown(wrapped, socket.SHUT_WR)
                    while socket.socket.recv(wrapped, 4096):  # else a reset overtakes the alert
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_certificate_is_shown_to_no_other_server(site: Site, authority: trustme.CA) -> None:
    """One that would take any gets none where its table has none."""
    shown: dict[int, set[bool]] = {}

    def who(port: int) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            shown.setdefault(port, set()).add(bool(writer.get_extra_info("peercert")))
            await to(port)(reader, writer)

        return serve

    tls = mutual(authority)
    tls.verify_mode = ssl.CERT_OPTIONAL
    site.jenkins.job("app").build()
    jenkins, sei = site.jenkins_server.port, site.sei_server.port
    with Wire(who(jenkins), tls) as front, Wire(who(sei), tls) as other:
        ca_file = f'ca_file = "{site.directory}/ca.pem"\n'
        configure(
            site, f"https://localhost:{front.port}/", f"https://localhost:{other.port}/",
            table=ca_file + certificate(site.directory),
        )  # fmt: skip
        site.config.write_text(site.config.read_text().replace("[sei]\n", f"[sei]\n{ca_file}"))
        assert site.run("once").returncode == 0
    assert shown == {jenkins: {True}, sei: {False}}


@pytest.mark.parametrize("versions", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_a_client_certificate(
    site: Site, authority: trustme.CA, versions: ssl.TLSVersion
) -> None:
    """What to set is said, whether the server ends the handshake or answers what comes after it."""
    tls = mutual(authority)
    tls.minimum_version = tls.maximum_version = versions
    with handshakes(tls) as port:
        over_tls(site, (f"https://localhost:{port}/", f"https://localhost:{port}/"))
        found = findings(site)
        once = site.run("once")
    for one in (found["controller main"], found["SEI"]):
        assert "TLS: the server refuses us" in one["saw"]
        assert "set client_cert and client_key" in one["cure"]
    assert "TLS: the server refuses us" in once.stdout
    assert "set client_cert and client_key" in once.stderr


def test_a_page_that_wants_a_certificate(site: Site) -> None:
    """Of nginx, which takes the connection and then says 400: no run is rejected for it."""
    site.jenkins.job("app").build()
    with (
        Wire(door(site.jenkins_server.port, b"X-Door", NO_CERTIFICATE)) as jenkins,
        Wire(door(site.sei_server.port, b"X-Door", NO_CERTIFICATE)) as sei,
    ):
        configure(site, f"http://127.0.0.1:{jenkins.port}/", f"http://127.0.0.1:{sei.port}/")
        found = findings(site)
        configure(site, site.jenkins_server.url, f"http://127.0.0.1:{sei.port}/")
        site.run("once")
    for one in found.values():
        assert "No required SSL certificate was sent" in one["saw"]
        assert "set client_cert and client_key" in one["cure"]
    assert len(found) == 2
    assert site.read("rejected") == []


def test_a_certificate_that_can_not_be_used(site: Site, authority: trustme.CA) -> None:
    """Is an error of the config, and nothing asks for a password."""
    keys = site.directory / "client.key"
    urls = ("https://localhost:1/", site.sei_server.url)
    plain = keys.read_bytes()
    loaded = serialization.load_pem_private_key(plain, None)
    encrypted = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    for key, words in (
        (None, "client.key: No such file"),
        (encrypted, "client_key: it is encrypted"),
        (authority.issue_cert("other").private_key_pem.bytes(), "client_cert: can't use"),
        (b"no key", "client_cert: can't use"),
    ):
        keys.unlink(missing_ok=True)
        if key is not None:
            keys.write_bytes(key)
        configure(site, *urls, table=certificate(site.directory))
        result = site.run("once")
        assert result.returncode == 78, result.stderr
        assert words in result.stderr
        assert words in site.run("check").stdout


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('headers = { X-Door = "s3cret-word" }', "no value, but where it is: { file"),
        ('headers = { authorization = { env = "X" } }', "the program sets this header itself"),
        ('headers = { Proxy-Authorization = { env = "X" } }', "the program sets this header"),
        ('headers = { "X Door" = { env = "X" } }', "no name of a header"),
        ('headers = { x = { env = "X" }, X = { env = "X" } }', "the same header twice"),
        ('headers = { X-Door = {} }', "exactly one of env, file, credential is needed"),
        ('headers = { X-Door = { env = "NOWHERE" } }', "headers.X-Door: the variable NOWHERE is not set"),
        ('headers = { X-Door = { file = "/nowhere" } }', "headers.X-Door: can't read /nowhere"),
        ('headers = { X-Door = { env = "FOREIGN" } }', "a header has no such characters"),
        ('client_cert = "a"', "client_cert and client_key go together"),
        ('client_cert = "a"\nclient_key = { env = "X" }', "client_key is a file or a credential"),
        ('client_cert = "a"\nclient_key = { file = "b" }', "client_cert is for https://"),
    ],
)  # fmt: skip
def test_a_wrong_table(site: Site, lines: str, words: str) -> None:
    """One line with the key, and nothing of a value."""
    site.environ["FOREIGN"] = "schlüssel"
    site.configure(site.controller() + lines + "\n")
    result = site.run("once")
    assert result.returncode == 78
    assert words in result.stderr
    assert "s3cret-word" not in result.stderr
    assert "schl" not in result.stderr


JENKINS = {"Content-Type": "text/html", "X-Jenkins": "2.528"}
FORM = b"<html><form action='/x'>Please sign in</form></html>"
SAML = b'<html><body onload="f()"><form><input name="SAMLRequest"></form></body></html>'


@pytest.mark.parametrize(
    ("status", "headers", "body", "saw"),
    [
        (200, {"Content-Type": "text/html"}, FORM, "a login page"),
        (200, {}, SAML, "a login page"),
        (401, {"Content-Type": "text/html"}, SIGN_IN, "a login page (Sign in to Acme)"),
        (403, {}, b"<title>Blocked</title>", "a page of something before it (Blocked)"),
        (403, {"Content-Type": "text/html"}, b"no", None),
        (404, {"Content-Type": "text/html"}, b"no", None),
        (403, JENKINS, FORM, None),
        (401, {"WWW-Authenticate": 'Basic realm="Jenkins"'}, b"<html>", None),
        (403, {"Server": "Jetty(12.0.25)"}, b"<html>", None),
        (200, {"Content-Type": "application/json"}, b'{"a": "<form> log in"}', None),
        (403, {}, b"", None),
    ],
)
def test_what_is_a_door(status: int, headers: dict[str, str], body: bytes, saw: str | None) -> None:
    """A page of another, and never Jenkins' own."""
    page = door_page(status, headers, body)
    assert (page.saw if page else None) == saw


def test_long_titles_are_cut_and_many_of_them_are_cheap() -> None:
    """A page is as hostile as any other answer."""
    page = login_page({}, b"<title>" + b"x" * 1_000_000 + b"</title><form>log in")
    assert page is None or len(page.saw) < 120
    assert login_page({}, b"<title" * 100_000) is None
    assert "headers or client_cert" in redirect_hint("https://idp.example.com/oauth2/auth?x=1")
    assert "headers" not in redirect_hint("https://jenkins.example.com/ci/")
