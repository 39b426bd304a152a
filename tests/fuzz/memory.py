"""Jenkins' answers out of this process's memory, through the program's own client: httpx's seam
stands in the place of the socket, and all above it is the real thing."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs

import httpx

from poller.http.client import Client, Connection, basic
from poller.jenkins.client import JenkinsClient
from poller.polling.controller import Controller
from poller.polling.extras.stage_trees import StageTrees
from poller.polling.extras.upstream import UpstreamCauses
from tests.fuzz.corpus import ROOT
from tests.support.site import TOKEN

CHUNK = 4_096


class Parts(httpx.AsyncByteStream):
    """A body that comes in parts."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), CHUNK):
            yield self._body[at : at + CHUNK]


class Answers:
    """Answers by the kind of the question. ``asked`` counts the questions."""

    def __init__(self) -> None:
        self.bodies: Mapping[str, bytes] = {}
        self.headers: Mapping[str, str] = {}
        self.asked = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """One answer; what there is no body for is 404."""
        self.asked += 1
        kind = kind_of(request.url.raw_path.decode("latin-1"))
        body = self.bodies.get(kind)
        if body is None:
            return httpx.Response(404, headers={"Content-Type": "text/html"}, stream=Parts(b"no"))
        text = kind in ("console", "progressive")
        headers = {
            "Content-Type": "text/plain;charset=utf-8" if text else "application/json",
            "X-Jenkins": "2.448",
            "X-Jenkins-Session": "one",
            **self.headers,
        }
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return httpx.Response(200, headers=raw, stream=Parts(body))


def kind_of(raw_path: str) -> str:
    """What is asked of Jenkins, by path and ``tree=``."""
    path, _, query = raw_path.partition("?")
    tree = parse_qs(query).get("tree", [""])[0]
    for end, kind in ENDS.items():
        if path.endswith(end):
            return kind
    if "/artifact/" in path:
        return "manifest"
    if tree.startswith("builds["):
        return "builds" if "actions" in tree else "summaries"
    if tree.startswith("allBuilds["):
        return "builds" if "actions" in tree else ("summaries" if "duration" in tree else "heads")
    if tree.startswith("number"):
        return "origin" if "causes" in tree else "start"
    if tree.startswith("_class"):
        return "build"
    return "items"


ENDS = {
    "wfapi/runs": "runs",
    "wfapi/describe": "describe",
    "wfapi/log": "step_log",
    "/testReport/api/json": "test_report",
    "/stages/tree": "graph_stages",
    "/stages/allSteps": "graph_steps",
    "/organizations/": "organizations",
    "/nodes/": "blue_nodes",
    "/steps/": "blue_steps",
    "consoleText": "console",
    "logText/progressiveText": "progressive",
    "/computer/api/json": "running",
    "/login": "identity",
    "/me/api/json": "user",
}


class InMemory(JenkinsClient):
    """The API of a controller that is asked nothing over the network."""

    def __init__(self, answers: Answers) -> None:
        super().__init__("main", Connection(ROOT, 2_000, 4), "reader", TOKEN)
        self._http = Client(httpx.MockTransport(answers), 2.0, basic("reader", TOKEN))


def in_memory(controller: Controller, api: InMemory) -> Controller:
    """The same controller, asked in memory, and with nothing remembered of what it said before."""
    return dataclasses.replace(
        controller, client=api, upstream=UpstreamCauses(api), stages=StageTrees(api)
    )
