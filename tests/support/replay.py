"""Serves the answers of a real Jenkins over HTTP as they were recorded, for the program to poll."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from poller.demo.faults import Answer, Receive, Scope, Send, send_answer
from poller.demo.jenkins.tree_query import parse, select

RECORDINGS = Path(__file__).parents[1] / "recordings"
BUILD_PATH = re.compile(r"(?P<job>.*/)(?P<number>\d+)/(?P<what>api/json|wfapi/describe)")
ARCHIVED_PATH = re.compile(r"(?P<job>.*/)(?P<number>\d+)/artifact/(?P<path>.*)")
NOT_LISTED_ALIKE = frozenset({"nextBuildNumber", "lastBuild", "lastCompletedBuild"})

Json: TypeAlias = dict[str, Any]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class Recorded:
    """What was recorded of one job, in its latest state; ``alone`` are builds asked by number."""

    full_name: str
    job: Json
    summary: Json
    builds: dict[int, Json] = field(default_factory=dict)
    alone: dict[int, Json] = field(default_factory=dict)
    runs: list[Json] | None = None
    archived: dict[tuple[int, str], bytes] = field(default_factory=dict)
    stage_trees: dict[int, Json] = field(default_factory=dict)


def replay_app(directory: Path = RECORDINGS) -> App:
    """The ASGI app of the recordings; what was not recorded is 404."""
    jobs = recorded_jobs(directory)
    root = item_tree(directory, jobs)
    idle = _load(directory / "computer/computer_idle.json")
    by_path = {_path(job.full_name): job for job in jobs.values()}

    def find(path: str, params: dict[str, str]) -> Any:
        if path in ("/api/json", "/computer/api/json"):
            return _selected(root if path == "/api/json" else idle, params)
        if (build := BUILD_PATH.fullmatch(path)) and build["job"] in by_path:
            job, number = by_path[build["job"]], int(build["number"])
            if build["what"] == "wfapi/describe":
                return job.stage_trees.get(number)
            return _selected(job.alone.get(number), params)
        for what in ("wfapi/runs", "api/json"):
            if path.endswith(f"/{what}") and (found := by_path.get(path.removesuffix(what))):
                return found.runs if what == "wfapi/runs" else _selected(found.job, params)
        return None

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode())
        params = {name: values[0] for name, values in query.items()}
        path = _decoded(scope["raw_path"].decode())
        if (file := ARCHIVED_PATH.fullmatch(path)) and file["job"] in by_path:
            content = by_path[file["job"]].archived.get((int(file["number"]), file["path"]))
            plain = {"Content-Type": "application/json"}
            status = 404 if content is None else 200
            await send_answer(scope, send, Answer(status, content or b"", plain))
            return
        found = find(path, params)
        headers = {"Content-Type": "application/json;charset=utf-8", "X-Jenkins": "2.448"}
        body = json.dumps(found).encode()
        await send_answer(scope, send, Answer(404 if found is None else 200, body, headers))

    return app


def completed_builds(directory: Path = RECORDINGS) -> list[tuple[str, int]]:
    """Full name and number of every recorded build that is done, sorted."""
    return sorted(
        (name, number)
        for name, job in recorded_jobs(directory).items()
        for number, build in job.builds.items()
        if build["inProgress"] is False
    )


def recorded_jobs(directory: Path = RECORDINGS) -> dict[str, Recorded]:
    """The jobs whose builds were recorded. Of a job recorded twice the finished state wins."""
    found: dict[str, Recorded] = {}
    for case in sorted({path.parent for path in directory.glob("*/job_builds_full.json")}):
        job, summary = _load(case / "job_builds_full.json"), _load(case / "job_summary.json")
        one = Recorded(summary["fullName"], job, summary)
        one.builds = {build["number"]: build for build in job["builds"]}
        one.alone = dict(one.builds)
        for path in case.glob("b*_api.json"):
            build = _load(path)
            one.alone[build["number"]] = build
        job["allBuilds"] = job["builds"]
        runs = case / "wfapi_runs_fullStages.json"
        one.runs = _load(runs) if runs.exists() else None
        one.stage_trees = {int(tree["id"]): tree for tree in one.runs or ()}
        for path in case.glob("b*_wfapi_describe_full.json"):
            tree = _load(path)
            one.stage_trees[int(tree["id"])] = tree
        one.archived = _archived(directory, one.full_name)
        before = found.get(one.full_name)
        if before is None or _unfinished(one) < _unfinished(before):
            found[one.full_name] = one
    return found


def _archived(directory: Path, full_name: str) -> dict[tuple[int, str], bytes]:
    """The job's archived files that were recorded, by build number and path."""
    found = {}
    for entry in _load(directory / "MANIFEST.json"):
        match = ARCHIVED_PATH.fullmatch(_decoded(entry["path_with_query"]))
        if match and match["job"] == _path(full_name) and entry["status"] == 200:
            content = (directory / entry["file"]).read_bytes()
            found[int(match["number"]), match["path"]] = content
    return found


def item_tree(directory: Path, jobs: dict[str, Recorded]) -> Json:
    """The recorded item tree without the jobs whose builds were not recorded. Jobs that came later
    are added, and the counters are those of the time when the builds were recorded."""
    root: Json = _load(directory / "root/root_tree_depth5.json")
    root["jobs"] = list(_kept(root["jobs"], jobs))
    for name in sorted(set(jobs) - set(_names(root["jobs"]))):
        above = name.rpartition("/")[0]
        parent = next((item for item in _items(root["jobs"]) if item["fullName"] == above), root)
        parent["jobs"].append(jobs[name].summary)
    return root


def _kept(items: Iterable[Json], jobs: dict[str, Recorded]) -> Iterator[Json]:
    for item in items:
        if "jobs" in item:
            yield {**item, "jobs": list(_kept(item["jobs"], jobs))}
        elif item["fullName"] in jobs:
            summary = jobs[item["fullName"]].summary
            yield item | {key: summary[key] for key in NOT_LISTED_ALIKE if key in summary}


def _items(items: Iterable[Json]) -> Iterator[Json]:
    for item in items:
        yield item
        yield from _items(item.get("jobs", ()))


def _names(items: Iterable[Json]) -> Iterator[str]:
    return (item["fullName"] for item in _items(items))


def _unfinished(job: Recorded) -> int:
    return sum(build["inProgress"] is not False for build in job.builds.values())


def _selected(value: Any, params: dict[str, str]) -> Any:
    return select(value, parse(params["tree"])) if "tree" in params and value else value


def _path(full_name: str) -> str:
    return "/" + "".join(f"job/{name}/" for name in full_name.split("/"))


def _decoded(raw_path: str) -> str:
    # Once for each segment: a branch's name holds %2F.
    return "/".join(unquote(segment) for segment in raw_path.split("/"))


def _load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
