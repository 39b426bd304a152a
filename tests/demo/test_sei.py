"""The simulated SEI."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from poller.demo.sei import PLUGIN_NAMES, REQUIRED, Sei
from tests.support.site import served

GUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
RUN: dict[str, Any] = {
    **dict.fromkeys(REQUIRED, "x"),
    "job_full_name": "team/a",
    "instance_guid": GUID,
    "build_number": 7,
    "start_time": 1_800_000_000,
    "duration": 12,
}


@pytest.fixture
def sei() -> Sei:
    return Sei(guids={GUID})


@pytest.fixture
def client(sei: Sei) -> Iterator[httpx.Client]:
    headers = {"Authorization": "ApiKey demo-key"}
    with (
        served(sei.app) as server,
        httpx.Client(base_url=f"{server.url}prod1/sei/api/v1/", headers=headers) as client,
    ):
        yield client


def test_first_wins(sei: Sei, client: httpx.Client) -> None:
    """A double is accepted and changes nothing."""
    answer = client.post("custom-cicd", json=RUN)
    assert (answer.status_code, answer.json()) == (202, {})
    assert client.post("custom-cicd", json={**RUN, "duration": 99}).status_code == 202
    assert sei.runs == {(GUID, "team/a", 7): RUN}
    assert [run["duration"] for run in sei.received] == [12, 99]


@pytest.mark.parametrize("key", ["", "ApiKey wrong", "Bearer demo-key", "demo-key"])
def test_wrong_key(key: str, sei: Sei, client: httpx.Client) -> None:
    """Without the key nothing is taken."""
    answer = client.post("custom-cicd", json=RUN, headers={"Authorization": key})
    assert answer.status_code == 401
    assert sei.received == []


@pytest.mark.parametrize("body", ["", "{", "[]", "1", "null", json.dumps({**RUN, "result": None})])
def test_refused(body: str, sei: Sei, client: httpx.Client) -> None:
    """What is no JSON object, or lacks a required field, is 400 with an error."""
    answer = client.post("custom-cicd", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert sei.runs == {}


@pytest.mark.parametrize("name", REQUIRED)
def test_required(name: str, client: httpx.Client) -> None:
    """Each required field is."""
    without = {key: value for key, value in RUN.items() if key != name}
    answer = client.post("custom-cicd", json=without)
    assert (400, {"error": f"missing: {name}"}) == (answer.status_code, answer.json())


def form(payload: dict[str, Any], *files: str, kind: str = "JenkinsPluginJobRunComplete") -> Any:
    """As the plugin sends a run, with those members in the zip."""
    names = {new: old for old, new in PLUGIN_NAMES.items()}
    given = {names.get(name, name): value for name, value in payload.items()}
    request = json.dumps({"request_type": kind, "payload": json.dumps(given)})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in files:
            archive.writestr(name, "text")
    return {"json": ("json", request), "file": ("logs.zip", packed.getvalue())}


def test_a_run_as_the_plugin_sends_it(sei: Sei, client: httpx.Client) -> None:
    """It is the same build whichever way it came."""
    log = str(uuid.uuid4())
    run = {**RUN, "job_run": {"stages": [{"steps": [{"log": log}]}]}}
    answer = client.post("generic-requests/multipart", files=form(run, log))
    assert (answer.status_code, sorted(answer.json())) == (200, ["payload", "response_type"])
    assert len(json.loads(answer.json()["payload"])["run_ids"]) == 1
    assert client.post("custom-cicd", json=RUN).status_code == 202
    assert sei.runs == {(GUID, "team/a", 7): run}
    assert sei.logs == {(GUID, "team/a", 7): {log: b"text"}}


def test_no_run_of_the_plugin(sei: Sei, client: httpx.Client) -> None:
    """A log that is not there, one that is no UUID, another request, no zip, no form."""
    missing = {**RUN, "job_run": {"log": str(uuid.uuid4())}}
    wrong = {**RUN, "job_run": {"log": "x"}}
    for files in (
        form(missing), form(wrong, "x"), form(RUN, kind="Heartbeat"), form({**RUN, "result": None}),
        {**form(RUN), "file": ("logs.zip", b"PK")}, {"json": ("json", "{")}, {"other": ("x", "{}")},
    ):  # fmt: skip
        assert client.post("generic-requests/multipart", files=files).status_code == 400
    assert client.post("generic-requests/multipart", json=RUN).status_code == 400
    assert sei.received == []


def test_instances(client: httpx.Client) -> None:
    """A GUID is known or not; a new one is known from then on."""
    assert client.get(f"cicd/instances/{GUID}").json() == {"id": GUID}
    assert client.get("cicd/instances/nosuch").status_code == 404
    guid = client.post("cicd/instances", json={}).json()["id"]
    assert client.get(f"cicd/instances/{guid}").status_code == 200


def test_outage(sei: Sei, client: httpx.Client) -> None:
    """While it fails nothing is taken; then it works again."""
    sei.fail(status=429, headers={"Retry-After": "3"})
    answer = client.post("custom-cicd", json=RUN)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert sei.received == []
    sei.clear_faults()
    assert client.post("custom-cicd", json=RUN).status_code == 202
    assert [request.status for request in sei.requests] == [429, 202]


def test_late(sei: Sei, client: httpx.Client) -> None:
    """With a delay and no status the answer is the usual one, and comes when it is over."""
    sei.fail(status=None, delay=60, times=1)
    sei.fail(status=None, delay=0.01, times=1)
    with pytest.raises(httpx.ReadTimeout):
        client.post("custom-cicd", json=RUN, timeout=httpx.Timeout(5, read=0.1))
    assert client.post("custom-cicd", json=RUN).status_code == 202


def test_lost_answer(sei: Sei, client: httpx.Client) -> None:
    """The run is taken, and the connection breaks before the answer."""
    sei.hold_answers = True
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("custom-cicd", json=RUN)
    sei.hold_answers = False
    client.post("custom-cicd", json=RUN)
    assert len(sei.received) == 2
    assert len(sei.runs) == 1
