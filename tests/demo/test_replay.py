"""The recordings, served again."""

from __future__ import annotations

import httpx

from poller.demo.server import Server
from tests.support.replay import completed_builds, replay_app


def test_every_completed_build_is_served() -> None:
    """Each build is in the item tree's job, in its list, and alone."""
    with Server(replay_app()) as server, httpx.Client(base_url=server.url) as client:
        tree = "jobs[fullName,nextBuildNumber,jobs]"
        for _ in range(6):
            tree = f"jobs[fullName,nextBuildNumber,{tree}]"
        counters: dict[str, int] = {}
        items = client.get("api/json", params={"tree": tree}).json()["jobs"]
        while items:
            item = items.pop()
            items += item.get("jobs", [])
            if "nextBuildNumber" in item:
                counters[item["fullName"]] = item["nextBuildNumber"]
        for name, number in completed_builds():
            assert number < counters[name]
            path = "".join(f"job/{part.replace('%', '%25')}/" for part in name.split("/"))
            build = client.get(f"{path}{number}/api/json?tree=number,inProgress").json()
            assert (number, False) == (build["number"], build["inProgress"])
            answer = client.get(f"{path}api/json?tree=builds[number]{{0,100}}").json()
            assert {"_class": build["_class"], "number": number} in answer["builds"]
            if build["_class"].endswith("WorkflowRun") and name != "p-many":
                stages = client.get(f"{path}{number}/wfapi/describe?fullStages=true").json()
                assert str(number) == stages["id"]


def test_finished_state_wins() -> None:
    """Of a job recorded while it waited and when it was done, the latter is served."""
    completed = completed_builds()
    for name in ("p-input", "p-agentlabel", "q-p"):
        assert (name, 1) in completed
    assert ("p-decl-input", 1) not in completed


def test_unrecorded_is_404() -> None:
    """What was not recorded is not made up."""
    with Server(replay_app()) as server:
        for path in ("job/nosuch/api/json", "job/fs-success/wfapi/runs", "queue/api/json"):
            assert httpx.get(server.url + path).status_code == 404
