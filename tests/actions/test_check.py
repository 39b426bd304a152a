"""`check`: what it says of each thing that can be wrong, against real servers, TLS and proxies."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from poller.actions.check.finding import CONFIG_CODE, UNAVAILABLE, CheckResult, exit_code
from poller.actions.check.network import clocks
from poller.actions.check.rules import rules
from poller.actions.check.sei import refusal
from poller.config.rules import Rule
from poller.config.servers import SeiConfig
from poller.core.urls import without_password
from poller.http.errors import HttpResponse
from tests.support.site import Site
from tests.support.tls_and_proxy import Wire, proxy, to

NOW = 1_800_000_000_000


def found(site: Site, subject: str) -> list[dict[str, str]]:
    """What `check --json` finds about a subject that is not ok."""
    findings: list[dict[str, str]] = site.read("check")
    return [one for one in findings if one["subject"] == subject and one["state"] != "ok"]


def certified(
    authority: trustme.CA, name: str, not_after: datetime | None = None
) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=not_after).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An own CA, as companies have."""
    return trustme.CA()


@pytest.fixture
def ca_file(site: Site, authority: trustme.CA) -> Path:
    """Its certificate as a file."""
    path = site.directory / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def over_tls(site: Site, wire: Wire, name: str = "localhost", **keys: Any) -> None:
    """Configure the controller behind a TLS port."""
    site.configure(site.controller(url=f"https://{name}:{wire.port}/", **keys))


def test_an_own_ca(site: Site, authority: trustme.CA, ca_file: Path) -> None:
    """Named, it is fine and the line says until when; not named, the cure says how to."""
    site.jenkins.job("app").build()
    tls = certified(authority, "localhost")
    with Wire(to(site.jenkins_server.port), tls) as wire:
        over_tls(site, wire, ca_file=str(ca_file))
        result = site.run("check")
        assert result.returncode == 0, result.stdout
        assert "TLSv1.3, certificate good until" in result.stdout
        assert f"trusted by ca_file {ca_file}" in result.stdout
        assert "localhost is 127.0.0.1" in result.stdout
        assert "user reader" in result.stdout
        over_tls(site, wire)
        assert site.run("check").returncode == 69
        (finding,) = found(site, "controller main")
    assert "TLS: unable to get local issuer certificate" in finding["saw"]
    assert "ca_file = " in finding["cure"]


def test_a_ca_file_of_another_ca(site: Site, authority: trustme.CA) -> None:
    """The cure asks whether it is the right one."""
    other = site.directory / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with Wire(to(site.jenkins_server.port), certified(authority, "localhost")) as wire:
        over_tls(site, wire, ca_file=str(other))
        (finding,) = found(site, "controller main")
    assert f"is {other} the CA that signed it?" in finding["cure"]


def test_an_expired_certificate(site: Site, authority: trustme.CA, ca_file: Path) -> None:
    """And one that soon will be."""
    site.jenkins.job("app").build()
    now = datetime.now(UTC)
    expired = certified(authority, "localhost", not_after=now - timedelta(days=1))
    with Wire(to(site.jenkins_server.port), expired) as wire:
        over_tls(site, wire, ca_file=str(ca_file))
        (finding,) = found(site, "controller main")
    assert "TLS: certificate has expired" in finding["saw"]
    assert "renewed" in finding["cure"]
    soon = certified(authority, "localhost", not_after=now + timedelta(days=3))
    with Wire(to(site.jenkins_server.port), soon) as wire:
        over_tls(site, wire, ca_file=str(ca_file))
        (finding,) = found(site, "controller main")
        assert site.run("check").returncode == 0
    assert finding["state"] == "warning"
    assert "(2 d)" in finding["saw"]


def test_a_certificate_for_another_name(site: Site, authority: trustme.CA, ca_file: Path) -> None:
    """It says for which name it was asked."""
    tls = certified(authority, "jenkins.example.com")
    with Wire(to(site.jenkins_server.port), tls) as wire:
        over_tls(site, wire, ca_file=str(ca_file))
        (finding,) = found(site, "controller main")
    assert "not valid for 'localhost'" in finding["saw"]
    assert "the name that the certificate is for" in finding["cure"]


def test_https_where_there_is_none(site: Site) -> None:
    """A port that speaks plain HTTP."""
    site.configure(site.controller(url=site.jenkins_server.url.replace("http", "https")))
    (finding,) = found(site, "controller main")
    assert finding["saw"].startswith("TLS: ")
    assert "does that port speak https?" in finding["cure"]


def test_a_name_that_does_not_resolve(site: Site) -> None:
    """Said as such, exit 69."""
    site.configure(site.controller(url="https://jenkins.invalid/"))
    (finding,) = found(site, "controller main")
    assert finding["saw"].startswith("jenkins.invalid does not resolve")
    assert site.run("check").returncode == 69


def test_a_proxy(site: Site, authority: trustme.CA, ca_file: Path) -> None:
    """Of the config and of the environment, with TLS through it; its password is not shown."""
    site.jenkins.job("app").build()
    tls = certified(authority, "localhost")
    with Wire(to(site.jenkins_server.port), tls) as front, Wire(proxy()) as between:
        address = f"http://user:s3cret-word@127.0.0.1:{between.port}"
        over_tls(site, front, ca_file=str(ca_file), proxy=address)
        result = site.run("check")
        assert result.returncode == 0, result.stdout
        assert f"through the proxy http://127.0.0.1:{between.port}\n" in result.stdout
        assert "s3cret-word" not in result.stdout
        assert "TLSv1.3" in result.stdout
        site.environ["https_proxy"] = address
        over_tls(site, front, ca_file=str(ca_file))
        assert "through the proxy" not in site.run("check").stdout


def test_a_proxy_that_refuses(site: Site, authority: trustme.CA, ca_file: Path) -> None:
    """Its own words."""
    with Wire(proxy(refuse=True)) as between:
        site.configure(
            site.controller(
                url="https://localhost:1/",
                ca_file=str(ca_file),
                proxy=f"http://127.0.0.1:{between.port}",
            )
        )
        (finding,) = found(site, "controller main")
    assert "the proxy refuses: 407" in finding["saw"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file: can't use /nowhere/ca.pem"),
        ({"token_env": "NO_SUCH_TOKEN"}, "the variable NO_SUCH_TOKEN is not set"),
    ],
)
def test_what_the_config_names_and_is_not_there(
    site: Site, keys: dict[str, str], words: str
) -> None:
    """One finding; the other controller and SEI are looked at all the same."""
    site.jenkins.job("app").build()
    site.configure(site.controller("good"), site.controller("bad", **keys))
    result = site.run("check")
    assert result.returncode in (1, 78)
    assert words in result.stdout
    assert "controller good: user reader" in result.stdout
    assert "SEI for good: key accepted" in result.stdout


def test_a_wrong_config_as_json(site: Site) -> None:
    """Each reason is a finding; exit 78."""
    site.config.write_text('[[controllers]]\nname = "x"\nurll = "http://x"\n')
    assert site.run("check").returncode == 78
    findings = site.read("check")
    assert {("wrong", "config")} == {(one["state"], one["subject"]) for one in findings}
    saw = "\n".join(one["saw"] for one in findings)
    assert all(f"controllers[0].{key}: " in saw for key in ("url", "user", "urll"))


def test_without_an_instance_guid(site: Site) -> None:
    """The key is tried all the same; the cure is the command to type; exit 78, as of `run`."""
    site.jenkins.job("app").build()
    site.configure(site.controller(instance_guid=None))
    result = site.run("check")
    assert result.returncode == 78
    assert "wrong   SEI for main: key accepted; no instance_guid yet" in result.stdout
    assert "sei-poller register --controller main" in result.stdout
    for command in (["run"], ["once"], ["preview", "app", "1"]):
        refused = site.run(*command)
        assert refused.returncode == 78, command
        assert "sei-poller register" in refused.stderr
    assert site.run("config", "show").returncode == 0


def test_rights(site: Site) -> None:
    """A user that may not look inside, and one that sees no job, are told apart."""
    site.jenkins.fail("/api/json*", status=403)
    (finding,) = found(site, "controller main")
    assert "may not look inside" in finding["saw"]
    assert "Overall/Read" in finding["cure"]
    site.jenkins.clear_faults()
    (finding,) = found(site, "controller main")
    assert finding["saw"] == "the user sees no job"
    assert "Job/Read" in finding["cure"]


def test_what_is_no_jenkins(site: Site) -> None:
    """A redirect to elsewhere, and a page of something else."""
    site.jenkins.fail("/", status=302, headers={"Location": "https://sso.example.com/"})
    (finding,) = found(site, "controller main")
    assert "sends us to https://sso.example.com/" in finding["saw"]
    site.jenkins.clear_faults()
    site.jenkins.fail(status=200, body="<html>hello")
    assert any("no X-Jenkins header" in one["saw"] for one in found(site, "controller main"))


def test_the_wrong_environment(site: Site) -> None:
    """A page with status 200 is not SEI; nor is a redirect, or a refused key."""
    site.jenkins.job("app").build()
    cases = ((200, "no JSON from"), (302, "HTTP 302"), (401, "the API key is refused"))
    for status, words in cases:
        site.sei.fail("*/cicd/*", status=status, body="<html>")
        (finding,) = found(site, "SEI for main")
        assert words in finding["saw"]
        assert "environment" in finding["cure"]
        site.sei.clear_faults()


def test_a_method_that_sei_does_not_allow_is_a_warning() -> None:
    """405, as 404, says that the key was taken."""
    settings = SeiConfig(environment="EU", api_key_env="X")
    for status, state in ((404, None), (405, None), (200, "wrong"), (403, "wrong"), (500, "wrong")):
        finding = refusal(HttpResponse(status, {}, b"<html>"), "SEI", settings)
        assert state == (finding.state if finding else None)


def test_rules_that_match_no_job(site: Site) -> None:
    """And one in the shadow of another; not when a controller could not be seen."""
    site.jenkins.job("team/app").build()
    site.configure(
        more='[[rules]]\nmatch = "team/**"\nci = true\n[[rules]]\nmatch = "team/app"\nci = false\n'
        '[[rules]]\nmatch = "teem/**"\nci = true\n'
        "[[extract]]\nmatch = \"nowhere\"\ncommit = { pattern = '(?P<commit>x)' }\n"
    )
    findings = {one["subject"]: one["saw"] for one in site.read("check") if "[" in one["subject"]}
    assert findings == {
        "rules[1]": "match 'team/app' matches only jobs that an earlier rule takes",
        "rules[2]": "match 'teem/**' matches no job",
        "extract[0]": "match 'nowhere' matches no job",
    }
    site.jenkins_server.stop()
    assert not any("rules[" in one["subject"] for one in site.read("check"))


def test_rules_that_all_matter() -> None:
    """A rule that still has a job of its own is no finding."""
    globs = [Rule(match=glob) for glob in ("a/x", "a/*", "**")]
    assert rules(globs, ["a/x", "a/y", "b"]) == []


@pytest.mark.parametrize(
    ("first", "second", "saw"),
    [
        ({"match": "**"}, {"match": "a"}, "matches only jobs that an earlier rule takes"),
        ({"match": "**", "continue": True}, {"match": "a"}, None),
        ({"match": "**", "when": {"branch": "main"}}, {"match": "a"}, None),
        ({"match": "re:b.*"}, {"match": "a"}, "match 're:b.*' matches no job"),
        ({"match": "a", "when": {"result": "FAILED"}}, {"match": "a"}, "when.result 'FAILED' matches no result"),
        ({"match": "a", "when": {"result": "re:FAILURE|ABORTED"}}, {"match": "a"}, None),
    ],
)  # fmt: skip
def test_rules_that_never_count(
    first: dict[str, Any], second: dict[str, Any], saw: str | None
) -> None:
    """By their match, by a condition that nothing fulfils, and by an earlier rule."""
    found = rules([Rule.model_validate(first), Rule.model_validate(second)], ["a"])
    assert len(found) == (saw is not None)
    assert saw is None or saw in found[0].saw


def test_check_leaves_the_ledger_alone(site: Site) -> None:
    """It makes none, and writes nothing to one that is there."""
    site.jenkins.job("app").build()
    assert "none yet" in site.run("check").stdout
    assert not site.ledger.exists()
    site.run("once")
    before = site.ledger.read_bytes()
    assert site.run("check").returncode == 0
    assert before == site.ledger.read_bytes()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_ledger_that_can_not_be_written(site: Site) -> None:
    """By its folder."""
    site.jenkins.job("app").build()
    site.directory.chmod(0o500)
    assert "can't be written by this user" in found(site, "ledger")[0]["saw"]


def test_a_ledger_that_is_none(site: Site) -> None:
    """A file of something else."""
    site.jenkins.job("app").build()
    site.ledger.write_text("no database, but long enough to be looked at" * 100)
    assert site.run("check").returncode == 73
    assert "not a database" in found(site, "ledger")[0]["saw"]


def test_check_beside_a_running_service(site: Site) -> None:
    """Takes no lock; asks each server a handful of questions."""
    site.jenkins.job("app").build()
    site.configure(site.controller(every="1h"))
    with site.start("run") as service:
        while not site.sei.runs:
            assert service.poll() is None
        before = len(site.jenkins.requests)
        assert site.run("check").returncode == 0
        assert len(site.jenkins.requests) - before <= 8
        assert service.poll() is None
        service.terminate()
        service.communicate(timeout=60)
    assert service.returncode == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "clocks agree"),
        (90, "our clock is 90 s ahead of the server's"),
        (-90, "our clock is 90 s behind the server's"),
    ],
)
def test_clocks(seconds: int, words: str) -> None:
    """Against the Date header; a minute is let pass."""
    date = httpx.Headers({"Date": "Fri, 15 Jan 2027 08:00:00 GMT"})["Date"]
    finding = clocks("SEI", date, NOW + seconds * 1000)
    assert words == finding.saw
    assert finding.state == ("warning" if seconds else "ok")


@pytest.mark.parametrize("date", ["", "soon", "Fri, 99 Foo 2027"])
def test_clocks_that_can_not_be_compared(date: str) -> None:
    """No Date, or nonsense."""
    assert clocks("SEI", date, NOW).saw == "no Date header: clocks not compared"


def test_exit_codes() -> None:
    """The config before a server that was not reached before all else; a warning is no error."""
    ok, warning = CheckResult("ok", "x", ""), CheckResult("warning", "x", "")
    wrong, away = CheckResult("wrong", "x", ""), CheckResult("wrong", "x", "", code=UNAVAILABLE)
    config = CheckResult("wrong", "config", "", code=CONFIG_CODE)
    assert [exit_code(f) for f in ([ok, warning], [ok, wrong], [wrong, away], [away, config])] == [
        0,
        1,
        69,
        78,
    ]


def test_a_proxys_password_is_left_out() -> None:
    """Its address is enough."""
    assert (
        without_password("http://u:p@proxy.example.com:3128/x") == "http://proxy.example.com:3128"
    )


def test_another_address_than_jenkins_believes_in(site: Site) -> None:
    """Is told, and that ours is sent."""
    site.jenkins.job("app").build()
    own = f"http://127.0.0.1:{site.jenkins_server.port}/"
    site.configure(site.controller(instance_url="https://jenkins.example.com/"))
    told = site.run("check").stdout
    assert f"Jenkins calls itself {own}; addresses begin with instance_url" in told
