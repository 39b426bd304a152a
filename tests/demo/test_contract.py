"""The simulated Jenkins answers as the real one did: status, headers, keys, types and classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from poller.demo.jenkins.items import Jenkins
from poller.demo.server import Server
from tests.support.rebuilt import rebuilt
from tests.support.replay import RECORDINGS

MANIFEST: list[dict[str, Any]] = json.loads((RECORDINGS / "MANIFEST.json").read_text("utf-8"))
COMPARED_HEADERS = (
    "X-Jenkins",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Server",
    "WWW-Authenticate",
)
AUTH = {"reader": ("reader", "reader-token"), "custom-auth": ("reader", "wrong"), "anonymous": None}

CLIENT = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))

NOT_ALIKE = (
    "computer/",  # what runs differs: see test_running
    "p-running_live/",
    "_pending/",  # of a job recorded twice the finished state was built again
    "q-p_waiting_executor/",
    "root/",  # jobs came and went between the recordings; see test_plain_items
    "trees/",  # see test_tree
    "p-many/wfapi",  # too big to be recorded with its steps
    "many-130",  # see test_ranges
)
ALIKE = [entry for entry in MANIFEST if not any(part in entry["file"] for part in NOT_ALIKE)]
RANGES = [entry for entry in MANIFEST if entry["file"].startswith("many-130")]
TREES = [entry for entry in MANIFEST if entry["file"].startswith("trees/")]


@pytest.fixture(scope="module")
def jenkins() -> Iterator[tuple[Jenkins, str]]:
    """The recorded jobs, simulated, and the address."""
    simulated = rebuilt()
    with Server(simulated.app) as server:
        yield simulated, server.url


def ask(url: str, entry: dict[str, Any]) -> httpx.Response:
    bearer = {"Authorization": "Bearer reader-token"} if "bearer" in entry["file"] else {}
    path = entry["path_with_query"].encode()
    target = httpx.URL(url).copy_with(raw_path=httpx.URL(f"http://x{path.decode()}").raw_path)
    headers = {"Accept-Encoding": "identity", **bearer}
    return CLIENT.request(entry["method"], target, headers=headers, auth=AUTH[entry["user"]])


def recorded(file: str) -> Any:
    return json.loads((RECORDINGS / file).read_text(encoding="utf-8"))


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["file"] for entry in entries]


def kind(value: Any) -> str:
    return (
        "number" if isinstance(value, int) and not isinstance(value, bool) else type(value).__name__
    )


def keys_by_class(answer: dict[str, Any]) -> dict[str, list[str]]:
    """What each class of item exports. Jobs came and went between the recordings."""
    return {item["_class"]: sorted(item) for item in answer.get("jobs", ())}


def differences(real: Any, simulated: Any, at: str = "") -> Iterator[str]:
    """Where two answers differ in more than their values."""
    if real is None or simulated is None:
        if (real is None) != (simulated is None):
            yield f"{at}: {real!r} and {simulated!r}"
    elif kind(real) != kind(simulated):
        yield f"{at}: {kind(real)} and {kind(simulated)}"
    elif isinstance(real, dict):
        if set(real) != set(simulated):
            yield f"{at}: only one has {sorted(set(real) ^ set(simulated))}"
        if real.get("_class") != simulated.get("_class"):
            yield f"{at}: class {real.get('_class')} and {simulated.get('_class')}"
        keys, others = keys_by_class(real), keys_by_class(simulated)
        if any(keys[name] != others[name] for name in set(keys) & set(others)):
            yield f"{at}.jobs: {keys} and {others}"
        for name in set(real) & set(simulated) - {"jobs"}:
            yield from differences(real[name], simulated[name], f"{at}.{name}")
    elif isinstance(real, list):
        if len(real) != len(simulated) and not at.endswith(".views"):
            yield f"{at}: {len(real)} and {len(simulated)} elements"
        for place, (one, other) in enumerate(zip(real, simulated, strict=False)):
            yield from differences(one, other, f"{at}[{place}]")


@pytest.mark.parametrize("entry", ALIKE, ids=ids(ALIKE))
def test_answer(entry: dict[str, Any], jenkins: tuple[Jenkins, str]) -> None:
    """Each recorded question gets an answer of the same shape."""
    answer = ask(jenkins[1], entry)
    assert entry["status"] == answer.status_code
    assert entry["content_type"].lower() == answer.headers["Content-Type"].lower()
    assert ("X-Jenkins-Session" in entry["headers"]) == ("X-Jenkins-Session" in answer.headers)
    expected = {name: entry["headers"].get(name) for name in COMPARED_HEADERS}
    assert expected == {name: answer.headers.get(name) for name in COMPARED_HEADERS}
    if "/artifact/" in entry["path_with_query"] and entry["status"] == 200:
        assert (RECORDINGS / entry["file"]).read_bytes() == answer.content
    elif entry["file"].endswith(".json"):
        assert list(differences(recorded(entry["file"]), answer.json())) == []


@pytest.mark.parametrize("entry", RANGES, ids=ids(RANGES))
def test_ranges(entry: dict[str, Any], jenkins: tuple[Jenkins, str]) -> None:
    """130 builds: the very numbers that Jenkins gave for each range."""
    answer = ask(jenkins[1], entry).json()
    real = recorded(entry["file"])
    assert list(differences(real, answer)) == []
    for name in ("builds", "allBuilds") if isinstance(real, dict) else ():
        numbers = [build["number"] for build in real.get(name, ())]
        assert numbers == [build["number"] for build in answer.get(name, ())]


@pytest.mark.parametrize("entry", TREES, ids=ids(TREES))
def test_trees(entry: dict[str, Any], jenkins: tuple[Jenkins, str]) -> None:
    """What each tree leaves of a build, by its keys; what plugins' actions hold is not simulated."""
    real, answer = recorded(entry["file"]), ask(jenkins[1], entry).json()
    for one in (real, answer):
        for build in one.get("builds", [one.get("lastBuild")]):
            actions = (action for action in build.get("actions", ()) if action)
            build["actions"] = [a for a in actions if a["_class"].startswith("hudson.model.")]
    assert list(differences(real, answer)) == []


@pytest.mark.parametrize("name", ["root/team_plain.json", "root/root_plain.json"])
def test_plain_items(name: str, jenkins: tuple[Jenkins, str]) -> None:
    """A folder and the top without a tree."""
    entry = next(entry for entry in MANIFEST if entry["file"] == name)
    answer = ask(jenkins[1], entry).json()
    ignored = ("description",)
    found = [one for one in differences(recorded(name), answer) if not one[1:].startswith(ignored)]
    assert found == []


def test_running() -> None:
    """A pipeline on a node holds two executors, one that is paused a flyweight one only."""
    simulated = Jenkins()
    simulated.job("fs-running", "freestyle").start()
    simulated.job("p-running").start()
    running = next(e for e in MANIFEST if e["file"] == "p-running_live/t0_computer.json")
    paused = next(e for e in MANIFEST if e["file"].endswith("paused_input_and_waiting.json"))
    with Server(simulated.app) as server:
        assert executables(recorded(running["file"])) == executables(
            ask(server.url, running).json()
        )
        for build in list(simulated.running):
            build.finish()
        for name in ("p-input", "p-input-plain", "p-agentlabel"):
            simulated.job(name).start().pause()
        assert executables(recorded(paused["file"])) == executables(ask(server.url, paused).json())


def executables(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Where, which class, and which build, of all that runs."""
    return sorted(
        (where, executable["_class"], executable["url"].partition("/job/")[2])
        for computer in answer["computer"]
        for where in ("executors", "oneOffExecutors")
        for executor in computer[where]
        if (executable := executor["currentExecutable"]) is not None
    )
