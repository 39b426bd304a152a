"""Credentials go to the configured scheme, host and port, over TLS, and nowhere else: whatever a
server answers, a job is called, or the environment says."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import posixpath
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poller.config.load import load
from poller.core.errors import ConfigError, RemoteError
from poller.core.urls import goes_in_clear, is_loopback
from poller.http.client import Connection
from poller.jenkins.build_pages import newest_builds, one_build
from poller.jenkins.client import JenkinsClient
from poller.jenkins.discovery import ItemTree, walk
from poller.jenkins.paths import is_name
from poller.polling.extras.stage_trees import SOURCES
from tests.support.simulated_iacm_site import Place
from tests.support.site import GUID, TOKEN, Site
from tests.support.tls_and_proxy import Wire, nothing, proxy, to

BASIC = base64.b64encode(f"reader:{TOKEN}".encode())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An own CA."""
    return trustme.CA()


@pytest.fixture
def ca_file(tmp_path: Path, authority: trustme.CA) -> str:
    """Its certificate as a file."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


# What a hostile name may be made of: the ways out of a path, a host, a header and a URL.
PARTS = ("..", ".", "/", "//", "\\", "%2F", "%2e%2e", "@", ":", "?", "#", "&", "\r\n", "\x00", "\t",
         " HTTP/1.1\r\nHost: evil.example\r\n\r\n", "evil.example", "http://", "job", "é", "\u202e",
         "\ud800", "𝕏", ";", "a", "~")  # fmt: skip
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join) | st.text(max_size=20)


def test_no_name_leads_anywhere_else() -> None:
    """A request about a job goes to the configured origin, below the configured path, whatever the
    job is called; what no job can be called is not asked for."""
    heads: list[bytes] = []
    with Wire(nothing(heads)) as wire, asyncio.Runner() as runner:
        origin = f"127.0.0.1:{wire.port}"
        connection = Connection(f"http://{origin}/ci/jenkins/", 5_000, 4)

        async def started() -> JenkinsClient:
            return JenkinsClient("main", connection, "reader", TOKEN)

        api = runner.run(started())

        async def ask(name: str) -> None:
            for asked in (
                newest_builds(api, name, 1),
                one_build(api, name, 7),
                *(source(api).trees("stages", name, [7], []) for source in SOURCES),
                api.archived_file(name, 7, "sei-artifacts.json"),
            ):
                with contextlib.suppress(RemoteError):
                    await asked

        @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(NAMES)
        def play(name: str) -> None:
            heads.clear()
            runner.run(ask(name))
            assert len(heads) == (6 if is_name(name) else 0)
            for head in heads:
                line, *headers = head.decode("ascii").split("\r\n")
                path = re.fullmatch(r"GET (/[!-~]*) HTTP/1\.1", line)
                assert path is not None
                assert path[1].startswith("/ci/jenkins/")
                # Not for whoever takes the path apart once more, either.
                decoded = unquote(path[1].partition("?")[0])
                assert posixpath.normpath(decoded).startswith("/ci/jenkins")
                hosts = [one.lower() for one in headers if one.lower().startswith("host:")]
                assert hosts == [f"host: {origin}"]

        play()
        runner.run(api.aclose())


@pytest.mark.parametrize("name", ["..", "a/../b", "team/.", "\udcff"])
def test_what_no_job_can_be_called_is_no_job(name: str) -> None:
    """It is counted as what it is, and never recorded."""
    found = ItemTree()
    walk({"jobs": [{"fullName": name, "nextBuildNumber": 2}]}, found)
    assert (dict(found.items), found.malformed) == ({}, 1)


def test_a_name_on_the_command_line_leads_nowhere_either(site: Site) -> None:
    """Exit 65, and nothing was asked."""
    assert site.run("preview", "../../\udcff", "1").returncode == 65
    assert site.jenkins.requests == []


def test_no_redirect_is_followed(
    place: Place, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    """To another host, another port, without TLS: by no command, to no server."""
    site, heads = place.site, list[bytes]()
    site.jenkins.job("tf/network").build()
    with (
        Wire(nothing(heads)) as trap,
        Wire(to(site.jenkins_server.port), certified(authority, "localhost")) as front,
    ):
        here = site.controller(
            url=f"https://localhost:{front.port}/", ca_file=ca_file, instance_guid=GUID
        )
        place.configure()
        table = site.config.read_text().replace(site.controller(every="60s"), here)
        assert "https://localhost" in table
        site.config.write_text(table)
        assert site.run("once").returncode == 0
        site.jenkins.job("tf/network").build()
        fresh = tmp_path / "fresh.toml"
        fresh.write_text(table.replace("instance_guid", "#instance_guid"))
        targets = {
            site.jenkins: (302, f"http://localhost:{trap.port}/"),  # the same host, without TLS
            site.sei: (307, f"http://127.0.0.1:{trap.port}/"),  # another port
            place.harness: (308, f"//localhost:{trap.port}/"),  # another host
        }
        for server, (status, location) in targets.items():
            server.fail(status=status, headers={"Location": location})
        for command in (
            ["once"],
            ["check"],
            ["preview", "tf/network", "1"],
            ["logs", "tf/network", "1", "--follow"],
            ["executions", "list"],
            ["--config", str(fresh), "register", "--integration-id", "1"],
        ):
            assert site.run(*command).returncode in (69, 75), command
        assert 302 in {request.status for request in site.jenkins.requests}
        assert "/sei/api/v1/cicd/instances" in {request.path for request in site.sei.requests}
        assert 308 in {request.status for request in place.harness.requests}
        # python-jenkins asks for the user, and only when the page before it is Jenkins'.
        site.jenkins.clear_faults()
        site.jenkins.fail(
            "/me/*", status=302, headers={"Location": f"http://localhost:{trap.port}/"}
        )
        result = site.run("check")
    assert "sends us to" in result.stdout
    assert heads == []


def test_addresses_in_answers_are_never_asked(site: Site) -> None:
    """Jenkins tells its own address in every answer: here, somebody else's."""
    heads: list[bytes] = []
    with Wire(nothing(heads)) as trap:
        ours = f"127.0.0.1:{site.jenkins_server.port}"

        def renamed(data: bytes) -> bytes:
            return re.sub(rb"(?i)(?<=\nhost: )[^\r]*", f"127.0.0.1:{trap.port}".encode(), data)

        above = site.jenkins.job("above").build()
        build = site.jenkins.job("app").build(upstream=above, result="FAILURE")
        build.archive("sei-artifacts.json", b'{"artifacts": []}')
        site.jenkins.job("app").start()
        with Wire(to(site.jenkins_server.port, change=renamed)) as front:
            site.configure(site.controller(url=f"http://127.0.0.1:{front.port}/", logs="all"))
            for command in (["once"], ["preview", "app", "1"], ["check"]):
                assert site.run(*command).returncode == 0
    assert f"http://127.0.0.1:{trap.port}/" in json.dumps(site.sei.received)
    assert ours not in json.dumps([run["web_url"] for run in site.sei.received])
    assert heads == []


def test_nothing_of_the_environment_changes_what_goes_to_loopback(site: Site) -> None:
    """Neither its proxies, nor ~/.netrc, nor the CAs of requests and curl."""
    heads, heard = list[bytes](), list[bytes]()
    site.jenkins.job("app").build()
    (site.directory / ".netrc").write_text("default login evil password netrc-canary\n")
    with Wire(nothing(heads)) as trap, Wire(to(site.jenkins_server.port, heard)) as front:
        names = ("http_proxy", "https_proxy", "all_proxy")
        site.environ |= dict.fromkeys(names, f"http://127.0.0.1:{trap.port}")
        site.environ |= {name.upper(): f"http://127.0.0.1:{trap.port}" for name in names}
        site.environ |= {
            "HOME": str(site.directory),
            "NETRC": str(site.directory / ".netrc"),
            "REQUESTS_CA_BUNDLE": "/nowhere",
            "CURL_CA_BUNDLE": "/nowhere",
        }
        site.configure(site.controller(url=f"http://127.0.0.1:{front.port}/"))
        assert site.run("check").returncode == 0
        assert site.run("once").returncode == 0
    assert heads == []
    said = b"".join(heard)
    assert b"/me/api/json" in said
    assert set(re.findall(rb"(?i)authorization: ([^\r]*)", said)) == {b"Basic " + BASIC}


@pytest.fixture
def far(site: Site, authority: trustme.CA) -> Iterator[tuple[Site, Wire, list[bytes]]]:
    """Jenkins with TLS under a name that only the proxy of the environment knows, and what that
    proxy is asked."""
    heads: list[bytes] = []
    site.jenkins.job("app").build()
    front = Wire(to(site.jenkins_server.port), certified(authority, "jenkins.test"))
    with front, Wire(proxy(heads=heads)) as between:
        site.environ["https_proxy"] = (
            f"127.0.0.1:{between.port}"  # as curl takes it, without http://
        )
        yield site, front, heads


def test_the_proxy_of_the_environment(far: tuple[Site, Wire, list[bytes]], ca_file: str) -> None:
    """For all that is asked, python-jenkins' question too; it sees neither token nor path, and
    ``check`` tells of it; ``no_proxy`` is honoured, and the config's proxy goes before it."""
    site, front, heads = far
    url = f"https://jenkins.test:{front.port}/"
    site.environ |= {"REQUESTS_CA_BUNDLE": "/nowhere", "all_proxy": "http://127.0.0.1:1"}
    site.configure(site.controller(url=url, ca_file=ca_file))
    result = site.run("check")
    assert result.returncode == 0, result.stdout
    assert f"through the proxy http://{site.environ['https_proxy']}, of the environment" in (
        result.stdout
    )
    assert site.run("once").returncode == 0
    assert {head.split(b" HTTP/1.")[0] for head in heads} == {
        f"CONNECT jenkins.test:{front.port}".encode()
    }
    assert BASIC not in b"".join(heads)
    site.environ["no_proxy"] = "other.test,jenkins.test"
    assert "jenkins.test does not resolve" in site.run("check").stdout
    del site.environ["no_proxy"]
    site.environ["https_proxy"] = "http://127.0.0.1:1"
    ours = f"http://127.0.0.1:{heads and front.port}"
    site.configure(site.controller(url=url, ca_file=ca_file, proxy=ours))
    told = site.run("check").stdout
    assert f"through the proxy {ours}\n" in told


@pytest.mark.parametrize("value", ["socks5://u:s3cret-word@proxy:1080", "http://["])
def test_a_proxy_of_the_environment_that_is_none(site: Site, value: str) -> None:
    """Is an error of the config, without its password, and nothing goes around it."""
    site.environ["https_proxy"] = value
    site.configure(site.controller(url="https://jenkins.test/"))
    result = site.run("once")
    assert result.returncode == 78
    assert "https_proxy of the environment" in result.stderr
    assert "s3cret-word" not in result.stderr


CONTROLLER = f"""
[[controllers]]
name = "main"
url = "{{url}}"
user = "u"
token_env = "T"
instance_guid = "{GUID}"
{{more}}
[sei]
environment = "EU"
api_key_env = "K"
"""


def refused(tmp_path: Path, text: str) -> str:
    """Why a config is refused; empty when it is not."""
    path = tmp_path / "poller.toml"
    path.write_text(text)
    try:
        load(path, {})
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "url",
    ["http://jenkins.example.com/", "HTTP://jenkins.example.com/", "http://10.0.0.1:8080/",
     "http://localhost.example.com/", "http://127.0.0.1.example.com/", "http://[::2]/",
     "http://0.0.0.0/", "http://127.1/", "http://2130706433/"],
)  # fmt: skip
def test_http_is_refused_unless_it_is_allowed(tmp_path: Path, url: str) -> None:
    """With the key and the cure, for each server; loopback needs no leave."""
    told = refused(tmp_path, CONTROLLER.format(url=url, more=""))
    assert "controllers[0].allow_http: over http:// everybody on the way can read" in told
    assert "use https://, or allow_http = true" in told
    assert refused(tmp_path, CONTROLLER.format(url=url, more="allow_http = true")) == ""
    good = CONTROLLER.format(url="https://j/", more="")
    sei = good.replace('environment = "EU"', f'base_url = "{url}"')
    assert "sei.allow_http: over http://" in refused(tmp_path, sei)
    harness = (
        f'[harness]\nurl = "{url}"\naccount = "a"\norg = "o"\nproject = "p"\napi_key_env = "H"\n'
    )
    assert "harness.allow_http: over http://" in refused(tmp_path, good + harness)
    for text in (sei, good + harness):
        assert refused(tmp_path, text + "allow_http = true\n") == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://[::1]/", "http://LOCALHOST/"])
def test_loopback_needs_no_leave(tmp_path: Path, url: str) -> None:
    """But not through a proxy, which would read it."""
    assert refused(tmp_path, CONTROLLER.format(url=url, more="")) == ""
    through = CONTROLLER.format(url=url, more='proxy = "http://proxy.example.com:3128"')
    assert "the proxy can read the token or key for an http://" in refused(tmp_path, through)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1\\\\@evil.example/", "http://u:p@127.0.0.1/", "http://127.0.0.1#@evil.example/",
     "http://127.0.0.1?@evil.example/", "http://127.0.0.1:99999/", "http://127.0.0.1 .evil.example/",
     "http://127.0.0.1\\t.evil.example/", "http://", "https://:80/", "file:///etc/passwd"],
)  # fmt: skip
def test_addresses_that_two_may_read_differently_are_refused(tmp_path: Path, url: str) -> None:
    """Whoever looks at one sees the host that is asked."""
    assert "controllers[0].url: " in refused(tmp_path, CONTROLLER.format(url=url, more=""))


def test_what_is_loopback() -> None:
    """Said by the address itself, never by a look-up."""
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "Localhost.")))
    assert not any(map(is_loopback, ("", "example.com", "localhost.example.com", "::", "10.0.0.1")))
    assert goes_in_clear("http://example.com/")
    assert not goes_in_clear("https://example.com/")


def test_allowed_it_is_told_by_check_and_goes_through_the_proxy(site: Site) -> None:
    """In clear, as the config says: ``check`` says so each time."""
    heads: list[bytes] = []
    site.jenkins.job("app").build()
    with Wire(proxy(heads=heads)) as between:
        site.environ["http_proxy"] = f"http://127.0.0.1:{between.port}"
        url = f"http://jenkins.test:{site.jenkins_server.port}/"
        site.configure(site.controller(url=url, allow_http=True))
        assert "no TLS: token or API key go in clear" in site.run("check").stdout
        site.configure(site.controller(url=url))
        before = len(heads)
        assert site.run("check").returncode == 78
    assert before == len(heads) > 0
