"""The simulated logs of steps are as the plugins give them: wfapi's as recorded of Jenkins 2.448, the
others' as their sources have it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from poller.demo.jenkins.consoles import LongLog
from poller.demo.jenkins.items import Jenkins
from poller.demo.jenkins.stages import Stage, Step
from tests.support.site import TOKEN, served

RAN = "+ echo running tests\nrunning tests\n+ exit 1\n"
LINKED = "push https://user:p4ssw0rd@example.invalid/repo.git\n1 < 2 & <b>\n"
LONG = LongLog(20_000, 20, lambda number: f"line {number}", "the end\n")


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A Jenkins with all three plugins and one build: stages 6 and 11, steps 7, 12, 13, 14, 15."""
    jenkins = Jenkins()
    jenkins.plugins = {"wfapi": 238, "graph-view": 877, "blue-ocean": 1}
    steps = [Step(status="FAILURE", log=RAN), Step(log=LINKED), Step(log=LONG), Step()]
    jenkins.job("p-fail").build(
        stages=[Stage("Ok", [Step(log="ok\n")]), Stage("Tests", steps, "FAILURE")],
        result="FAILURE",
    )
    with (
        served(jenkins.app) as server,
        httpx.Client(base_url=server.url, auth=("reader", TOKEN)) as client,
    ):
        yield client


def wfapi(client: httpx.Client, node: int) -> httpx.Response:
    """Its answer."""
    return client.get(f"job/p-fail/1/execution/node/{node}/wfapi/log")


def test_wfapi(client: httpx.Client) -> None:
    """Key by key as recorded: of a step that failed, of one with a link, of a stage, of none."""
    assert list(wfapi(client, 12).json().items()) == list({
        "nodeId": "12", "nodeStatus": "FAILED", "length": 44, "hasMore": False, "text": RAN,
        "consoleUrl": "/job/p-fail/1/execution/node/12/log",
    }.items())  # fmt: skip
    assert wfapi(client, 13).json()["text"] == (
        "push <a href='https://user:p4ssw0rd@example.invalid/repo.git'>"
        "https://user:p4ssw0rd@example.invalid/repo.git</a>\n1 &lt; 2 &amp; &lt;b&gt;\n"
    )
    assert wfapi(client, 11).json() == {
        "nodeId": "11", "nodeStatus": "FAILED", "length": 0, "hasMore": False, "consoleUrl": None,
    }  # fmt: skip
    assert "text" not in wfapi(client, 15).json()
    assert wfapi(client, 99).status_code == 404
    assert "X-Jenkins" not in wfapi(client, 12).headers


def test_wfapi_shows_the_last_10_kib(client: httpx.Client) -> None:
    """And says that there is more."""
    told = wfapi(client, 14).json()
    assert (told["hasMore"], told["length"], len(told["text"])) == (True, LONG.size, 10_240)


def test_graph_view(client: httpx.Client) -> None:
    """All of it as plain text; of a stage, that of its steps; a sentence where there is none."""

    def log(node: int) -> httpx.Response:
        return client.get("job/p-fail/1/stages/log", params={"nodeId": str(node)})

    assert log(12).text == RAN
    assert log(12).headers["Content-Type"] == "text/plain"
    assert len(log(14).content) == LONG.size
    assert log(6).text == "ok\n"
    assert log(11).text.startswith(RAN + LINKED)
    assert log(15).text == log(99).text == "No logs found\n"


def test_blue_ocean(client: httpx.Client) -> None:
    """The last 150 KiB with the line ends of the web; a long one has no size."""

    def log(path: str) -> httpx.Response:
        run = "blue/rest/organizations/jenkins/pipelines/p-fail/runs/1/"
        return client.get(f"{run}{path}/log/")

    assert log("steps/12").text == RAN.replace("\n", "\r\n")
    assert log("steps/12").headers["X-Text-Size"] == "44"
    assert log("nodes/6").text == "ok\r\n"
    assert "X-Text-Size" not in log("steps/14").headers
    assert len(log("steps/14").content.replace(b"\r", b"")) == 150 * 1024
    assert log("steps/99").status_code == 404
