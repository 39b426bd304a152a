"""The plugin Blue Ocean: the stages of a pipeline's build as a flat list, and their steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from poller.demo.jenkins.stages import QUEUED_MS, Json, Node, Step, laid_out, steps_of

if TYPE_CHECKING:
    from poller.demo.jenkins.builds import Build
    from poller.demo.jenkins.items import Jenkins

PAGE = 100
"""Without ``limit``, a page has so many."""

SKIPPED = ("SKIPPED", "NOT_BUILT")


def answer(jenkins: Jenkins, segments: Sequence[str], params: dict[str, str]) -> Any:
    """What lies below ``/blue/rest/``; None where nothing does."""
    match segments:
        case ["organizations"]:
            return [{"name": "jenkins", "displayName": "jenkins"}]
        case ["organizations", "jenkins", *path]:
            names = []
            while len(path) > 1 and path[0] in ("pipelines", "branches"):
                names.append(unquote(path[1]))
                path = path[2:]
            job = jenkins.jobs.get("/".join(names))
            if job is None or not job.kind.pipeline or path[:1] != ["runs"] or len(path) < 3:
                return None
            build = job.builds.get(int(path[1])) if path[1].isdecimal() else None
            found = None if build is None else _of_run(build, path[2:], jenkins.clock())
            return None if found is None else found[: int(params.get("limit", PAGE))]
    return None


def _of_run(build: Build, path: list[str], now: int) -> list[Json] | None:
    until = now if build.building else None
    laid = laid_out(build.stages, build.timestamp + QUEUED_MS, until)
    nodes = [node for node in laid if isinstance(node, Node)]
    match path:
        case ["nodes"]:
            return [_node(node) for node in nodes] + _not_reached(build, nodes)
        case ["steps"]:
            return [_node(step) for node in nodes for step in steps_of(node, until)]
        case ["nodes", one, "steps"]:
            return [
                _node(step)
                for node in nodes
                if str(node.id) == one
                for step in steps_of(node, until)
            ]
    return None


def _not_reached(build: Build, nodes: Sequence[Node]) -> list[Json]:
    """What the last successful build had more, of one that failed."""
    if build.result in (None, "SUCCESS"):
        return []
    good = next((b for b in reversed(build.job.builds.values()) if b.result == "SUCCESS"), None)
    laid = laid_out(good.stages, 0, None) if good is not None else ()
    here = {node.id for node in nodes}
    more = [node for node in laid if isinstance(node, Node) and node.id not in here]
    nothing = {"result": None, "state": None, "startTime": None, "durationInMillis": None}
    return [{**_node(node), **nothing} for node in more]


def _node(node: Node) -> Json:
    step = node.of if isinstance(node.of, Step) else None
    skipped = node.status in SKIPPED
    return {
        "id": str(node.id),
        "displayName": node.of.name,
        "displayDescription": step.parameter_description if step is not None else None,
        "result": "UNKNOWN" if node.runs else "NOT_BUILT" if skipped else node.status,
        "state": "RUNNING" if node.runs else "SKIPPED" if skipped else "FINISHED",
        "startTime": f"{datetime.fromtimestamp(node.start / 1000, UTC):%Y-%m-%dT%H:%M:%S}"
        f".{node.start % 1000:03}+0000",
        "durationInMillis": None if node.runs else node.duration,
        "type": "STEP" if step is not None else "PARALLEL" if node.branch else "STAGE",
        "firstParent": None if node.parent is None else str(node.parent),
        "edges": [],
    }
