"""`check`: what would let the service start, or end with 0, and send nothing."""

from __future__ import annotations

import pytest

from tests.support.site import GUID, Site

OTHER = "00000000-0000-4000-8000-000000000000"


def found(site: Site, words: str) -> dict[str, str]:
    """The one finding with these words."""
    (finding,) = [one for one in site.read("check") if words in one["saw"]]
    return dict(finding)


def test_a_guid_that_sei_does_not_know(site: Site) -> None:
    """SEI takes its runs and drops them: wrong, where SEI can say so, else a warning."""
    site.jenkins.job("app").build()
    site.configure(site.controller(instance_guid=OTHER))
    assert found(site, "SEI does not know it")["state"] == "wrong"
    assert site.run("check").returncode == 1
    site.sei.fail("*/cicd/instances*", status=404, body="default backend")
    assert found(site, f"HTTP 404 for instance GUID {OTHER}")["state"] == "warning"
    assert site.run("check").returncode == 0


@pytest.mark.parametrize("command", [["check"], ["once"], ["config", "show"]], ids=" ".join)
def test_an_address_of_one_answer(site: Site, command: list[str]) -> None:
    """Below api/json Jenkins answers, always the same; below custom-cicd SEI does not. The cure is
    the address to write."""
    jenkins, sei = site.jenkins_server.url, f"{site.sei_server.url}sei/api/v1/"
    site.configure(site.controller(url=f"{jenkins}api/json"), base_url=f"{sei}custom-cicd")
    result = site.run(*command)
    said = result.stdout + result.stderr
    assert result.returncode == 78
    assert f"controllers[0].url: leave api/json out: {jenkins}" in said
    assert f"sei.base_url: leave custom-cicd out: {sei}" in said
    assert site.jenkins.requests == []


def test_a_context_path_that_is_called_api(site: Site) -> None:
    """Is one."""
    site.configure(site.controller(url="https://ci.example.com/api/"))
    assert site.run("config", "show").returncode == 0


def test_a_token_of_somebody_else(site: Site) -> None:
    """Where Jenkins says so: a proxy may log somebody else in."""
    site.jenkins.job("app").build()
    site.jenkins.fail("/me/api/json*", status=200, body='{"id": "Reader"}')
    assert site.run("check").returncode == 0
    assert "takes reader for" not in site.run("check").stdout
    site.jenkins.clear_faults()
    site.jenkins.fail("/me/api/json*", status=200, body='{"id": "other"}')
    assert found(site, "Jenkins takes reader for other")["state"] == "warning"


def test_a_password_in_place_of_a_token(site: Site) -> None:
    """Jenkins takes it: a warning, by its form."""
    site.jenkins.job("app").build()
    site.environ["JENKINS_TOKEN"] = "reader-token"
    finding = found(site, "a password?")
    assert finding["state"] == "warning"
    assert "make an API token" in finding["cure"]
    assert "reader-token" not in str(finding)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "token_env: the variable JENKINS_TOKEN is empty"),
        (" \n", "token_env: the variable JENKINS_TOKEN is empty"),
        (None, "token_env: the variable JENKINS_TOKEN is not set"),
        ("a\nb", "token_env: the variable JENKINS_TOKEN is not one line of UTF-8 text"),
    ],
)
def test_a_variable_without_a_token(site: Site, value: str | None, words: str) -> None:
    """Empty, or not there."""
    del site.environ["JENKINS_TOKEN"]
    if value is not None:
        site.environ["JENKINS_TOKEN"] = value
    assert f'controller "main": {words}' in found(site, "token_env")["saw"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "/token: No such file or directory"), ("", " is missing or empty")],
)
def test_a_file_without_a_token(site: Site, content: str | None, words: str) -> None:
    """Empty, or not there: it is named, with what to do."""
    token = site.directory / "token"
    if content is not None:
        token.write_text(content)
    site.configure(site.controller(token_env=None, token_credential="token"))
    assert f"{words}; cure: put the secret into it, for " in found(site, "token_credential")["saw"]


def test_files_as_editors_of_windows_write_them(site: Site) -> None:
    """With a mark at their beginning, and other ends of lines; but in UTF-8."""
    site.jenkins.job("app").build()
    token = site.directory / "token"
    token.write_bytes(b"\xef\xbb\xbf" + site.environ["JENKINS_TOKEN"].encode() + b"\r\n")
    site.configure(site.controller(token_env=None, token_file=str(token)))
    site.config.write_bytes(b"\xef\xbb\xbf" + site.config.read_bytes())
    assert site.run("check").returncode == 0
    token.write_bytes("a token".encode("utf-16"))
    assert found(site, "token_file")["saw"].endswith(f"{token} is not one line of UTF-8 text")


def test_a_page_without_password(site: Site) -> None:
    """Where other machines reach it, a warning."""
    site.jenkins.job("app").build()
    site.configure(more='[status]\nlisten = "0.0.0.0:9155"')
    assert found(site, "without password")["state"] == "warning"
    assert site.run("check").returncode == 0
    assert GUID in site.run("check").stdout
