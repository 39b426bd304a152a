"""The plugin Pipeline Graph View: the stage tree of a pipeline's build, nested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poller.demo.jenkins.build_exports import encode
from poller.demo.jenkins.stages import QUEUED_MS, Json, Node, Step, laid_out, steps_of

if TYPE_CHECKING:
    from poller.demo.jenkins.builds import Build

NUMBERS_SINCE, OVERVIEW_SINCE, STAGES_SINCE = 439, 520, 777
"""Versions: times as numbers; the two paths after the first one."""

STATES = {"NOT_BUILT": "skipped", "IN_PROGRESS": "running"}


def place(version: int) -> str:
    """The path below a build where that version answers."""
    if version >= STAGES_SINCE:
        return "stages"
    return "pipeline-overview" if version >= OVERVIEW_SINCE else "pipeline-console"


def tree(build: Build, now: int, version: int) -> Json:
    """``tree``: stages in stages. The branches of a parallel stage lie in it itself, those beside
    its own steps in a block."""
    top: list[Json] = []
    known: dict[int | None, list[Json]] = {None: top}
    for node in _nodes(build, now):
        told = _node(node, "PARALLEL" if node.branch else "STAGE", version)
        told |= {"children": [], "isSequential": False, "synthetic": False, "placeholder": False}
        told["url"] = f"/{'/'.join(map(encode, build.job.full_name.split('/')))}/{build.number}/"
        known[node.id] = told["children"]
        known[node.parent].append(told)
    return {"status": "ok", "data": {"complete": not build.building, "stages": top}}


def all_steps(build: Build, now: int, version: int) -> Json:
    """``allSteps``: a flat list."""
    steps = [
        {**_node(step, "STEP", version), "stageId": str(node.id), "flags": {}}
        for node in _nodes(build, now)
        for step in steps_of(node, now if build.building else None)
    ]
    return {"status": "ok", "data": {"runIsComplete": not build.building, "steps": steps}}


def _nodes(build: Build, now: int) -> list[Node]:
    laid = laid_out(build.stages, build.timestamp + QUEUED_MS, now if build.building else None)
    return [node for node in laid if isinstance(node, Node)]


def _node(node: Node, kind: str, version: int) -> Json:
    title = node.of.parameter_description if isinstance(node.of, Step) else None
    told: dict[str, Any] = {
        "id": str(node.id),
        "name": node.of.name,
        "title": title or "",
        "state": STATES.get(node.status, node.status.lower()),
        "type": kind,
    }
    if version < NUMBERS_SINCE:
        words = f"{node.duration // 1000} sec"
        return told | {"startTime": "Started 2 days ago", "totalDurationMillis": words}
    told |= {"startTimeMillis": node.start, "pauseDurationMillis": 0}
    return told if node.runs else told | {"totalDurationMillis": node.duration}
