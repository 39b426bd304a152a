"""`register`: the GUID from a real answer, the id from satellite.yml, and what can be wrong."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from poller.actions.register import LARGEST_SATELLITE, guid_of, ids_of, integration_id
from poller.core.errors import BadAnswer, RemoteError, Unauthorized, UsageError
from poller.http.errors import HttpResponse
from tests.support.site import GUID, Site

SATELLITE = """\
satellite:
  tenant: acme
  api_key: eyJ-satellite-secret
  url: 'https://api.propelo.ai'
integrations:
  - id: '4711'
    application: custom
"""


@pytest.fixture
def fresh(site: Site) -> Site:
    """A config without a GUID yet."""
    site.configure(site.controller(instance_guid=None))
    return site


def satellite(site: Site, text: str = SATELLITE) -> str:
    """A satellite.yml."""
    path = site.directory / "satellite.yml"
    path.write_text(text)
    return str(path)


def test_from_nothing_to_the_first_run(fresh: Site) -> None:
    """The line that it prints, put into the config, is all that was missing."""
    fresh.jenkins.job("app").build()
    assert fresh.run("once").returncode == 78
    result = fresh.run("register", "--controller", "main", "--satellite", satellite(fresh))
    assert result.returncode == 0, result.stderr
    assert "satellite-secret" not in result.stdout + result.stderr
    assert str(fresh.config) in result.stderr
    key, _, guid = result.stdout.strip().partition(" = ")
    assert key == "instance_guid"
    fresh.configure(fresh.controller(instance_guid=json.loads(guid)))
    assert fresh.run("check").returncode == 0
    assert fresh.run("once").returncode == 0
    assert {json.loads(guid)} == {run["instance_guid"] for run in fresh.sei.received}


def test_by_integration_id(fresh: Site) -> None:
    """As SEI's page has the request; with --json, and one controller needs no name."""
    registered = fresh.read("register", "--integration-id", "4711")
    assert registered["controller"] == "main"
    assert uuid.UUID(registered["instance_guid"])
    (request,) = fresh.sei.requests
    assert (request.method, request.path) == ("POST", "/sei/api/v1/cicd/instances")
    assert fresh.sei.instances == [{"integration_id": "4711", "name": "main", "type": "jenkins"}]


def test_a_token_of_jenkins_is_not_needed(fresh: Site) -> None:
    """Only SEI's key is."""
    del fresh.environ["JENKINS_TOKEN"]
    assert fresh.run("register", "--integration-id", "4711").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 64, "--integration-id ID or --satellite FILE"),
        (["--integration-id", "1", "--satellite", "x"], 64, "one of them only"),
        (["--integration-id", "a b"], 64, "that is no id"),
        (["--integration-id", "1", "--controller", "nope"], 64, "no controller 'nope'"),
        (["--satellite", "/nowhere/satellite.yml"], 64, "can't read it"),
    ],
)
def test_a_wrong_command_line(fresh: Site, arguments: list[str], code: int, words: str) -> None:
    """One sentence, and nothing is asked of SEI."""
    result = fresh.run("register", *arguments)
    assert code == result.returncode
    assert words in result.stderr
    assert fresh.sei.requests == []


def test_a_controller_that_has_one_already(site: Site) -> None:
    """Is not registered twice."""
    result = site.run("register", "--integration-id", "4711")
    assert result.returncode == 64
    assert GUID in result.stderr
    assert site.sei.requests == []


def test_several_controllers(site: Site) -> None:
    """Need a name."""
    site.configure(
        site.controller("one", instance_guid=None), site.controller("two", instance_guid=None)
    )
    result = site.run("register", "--integration-id", "4711")
    assert result.returncode == 64
    assert "--controller NAME: one, two" in result.stderr
    assert site.run("register", "--integration-id", "4711", "--controller", "two").returncode == 0


def test_sei_refuses(fresh: Site) -> None:
    """Its own words, the cure, exit 69; a missing key is 78."""
    fresh.sei.fail(status=400, body='{"error": "integration 4711 is unknown"}')
    result = fresh.run("register", "--integration-id", "4711")
    assert result.returncode == 69
    assert "integration 4711 is unknown" in result.stderr
    fresh.sei.clear_faults()
    fresh.environ["SEI_API_KEY"] = "wrong"
    result = fresh.run("register", "--integration-id", "4711")
    assert result.returncode == 69
    assert "check the API key" in result.stderr
    del fresh.environ["SEI_API_KEY"]
    assert fresh.run("register", "--integration-id", "4711").returncode == 78


@pytest.mark.parametrize("key", ["id", "guid", "instance_guid", "uuid"])
def test_where_the_guid_may_stand(key: str) -> None:
    """SEI's page does not say."""
    body = json.dumps({key: GUID.upper(), "name": "main"}).encode()
    assert guid_of(HttpResponse(200, {}, body)) == GUID


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>", BadAnswer),
        (200, b"[]", BadAnswer),
        (200, b'{"id": 7}', BadAnswer),
        (200, b"[" * 100_000, BadAnswer),
        (200, b"\xff\x00", BadAnswer),
        (302, b"", BadAnswer),
        (400, b"\x1b[31m\r\nno" * 999, BadAnswer),
        (403, b"", Unauthorized),
        (503, b"", RemoteError),
    ],
)
def test_hostile_answers(status: int, body: bytes, error: type[RemoteError]) -> None:
    """An error of ours, short and printable."""
    with pytest.raises(error) as caught:
        guid_of(HttpResponse(status, {}, body))
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "just words",
        "integrations: 7",
        "integrations: [7, {id: }, {id: [1]}, {name: x}]",
        "integrations: [{id: '" + "x" * 200 + "'}]",
        "a: " + "[" * 5000,
        "!!python/object/apply:os.system ['true']",
        "a: 2026-99-99",
        "x" * (LARGEST_SATELLITE + 1),
    ],
)
def test_hostile_satellite_files(tmp_path: Path, text: str) -> None:
    """Refused with a cure; nothing in them is run."""
    path = tmp_path / "satellite.yml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        integration_id(path)
    assert "satellite.yml" in str(caught.value)
    assert caught.value.hint


def test_a_bomb_of_aliases_stays_small() -> None:
    """References are not copied, and none is shown."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb = "\n".join([*levels, "integrations: [{id: 1}, {id: *a11}]"])
    assert ids_of(bomb.encode(), Path("satellite.yml")) == ["1"]


def test_several_integrations(fresh: Site) -> None:
    """One has to be named."""
    two = SATELLITE + "  - id: 12\n    application: jira\n  - id: '4711'\n"
    result = fresh.run("register", "--satellite", satellite(fresh, two))
    assert result.returncode == 64
    assert "2 integrations in it: 4711, 12" in result.stderr
