"""The plugin Pipeline: REST API (wfapi): the stage trees of a pipeline's builds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from poller.demo.jenkins.build_exports import encode, newest_first
from poller.demo.jenkins.builds import ABOUT_TO_END, NOT_BEGUN, PAUSED
from poller.demo.jenkins.stages import (
    QUEUED_MS,
    Json,
    Node,
    Stage,
    Stages,
    Step,
    laid_out,
    steps_of,
)

if TYPE_CHECKING:
    from poller.demo.jenkins.builds import Build
    from poller.demo.jenkins.items import Item, Job


STATUS = {"FAILURE": "FAILED", "NOT_BUILT": "NOT_EXECUTED", "SKIPPED": "FAILED"}
"""wfapi's words for core's results, where they differ."""

STEPS_PER_STAGE = 100
"""wfapi shows the first 100 steps of a stage."""

RUNS = 10
"""``runs`` has the ten newest, always."""

DESCRIBES_FULL = 221
"""Version 2.21 and later: before, ``describe`` ignores ``fullStages``."""


def path(item: Item) -> str:
    """``/job/folder/job/name/``."""
    return f"{path(item.parent)}job/{encode(item.name)}/" if item.parent is not None else "/"


def describe(build: Build, now: int, *, full: bool) -> dict[str, Any]:
    """``wfapi/describe``; the stages hold their steps when ``full``."""
    page = f"{path(build.job)}{build.number}/"
    began = build.timestamp + QUEUED_MS
    duration = max(0, now - began) if build.building else build.duration
    stages: Stages = () if build.state == NOT_BEGUN else build.stages
    links: dict[str, Any] = {"self": {"href": f"{page}wfapi/describe"}}
    for name, there in (("artifacts", build.artifacts), ("changesets", build.change_sets)):
        if there:
            links[name] = {"href": f"{page}wfapi/{name}"}
    shown = list(exported(stages, page, began, now if build.building else None))
    status = STATUS.get(build.result or "", build.result) or "IN_PROGRESS"
    if build.state == NOT_BEGUN:
        status, duration = "NOT_EXECUTED", 0
    if build.state == ABOUT_TO_END:
        status = "SUCCESS" if build.result is None else status
    if build.state == PAUSED:
        status = "PAUSED_PENDING_INPUT"
        for name in ("pendingInputActions", "nextPendingInputAction"):
            links[name] = {"href": f"{page}wfapi/{name}"}
        shown.append(paused(began, now, page))
    if not full:
        shown = [{k: v for k, v in one.items() if k != "stageFlowNodes"} for one in shown]
    return {
        "_links": links,
        "id": str(build.number),
        "name": f"#{build.number}",
        "status": status,
        "startTimeMillis": began,
        "endTimeMillis": began + duration,
        "durationMillis": duration,
        "queueDurationMillis": QUEUED_MS,
        "pauseDurationMillis": 0,
        "stages": shown,
    }


def runs(job: Job, now: int, *, full: bool) -> list[dict[str, Any]]:
    """``wfapi/runs``."""
    return [describe(build, now, full=full) for build in islice(newest_first(job), RUNS)]


def node(build: Build, now: int, node_id: str) -> dict[str, Any] | None:
    """``execution/node/ID/wfapi/describe`` of a stage or step, None where there is none."""
    for stage in describe(build, now, full=True)["stages"]:
        for found in (stage, *stage.get("stageFlowNodes", ())):
            if found.get("id") == node_id:
                return dict(found)
    return None


def exported(stages: Stages, run_path: str, began: int, now: int | None) -> Iterator[Json]:
    """``stages[]`` with their steps, a flat list; a branch that is no stage is none. ``run_path``
    is the path of the build's page, with a slash at its end."""
    failure: Json | None = None
    for node in laid_out(stages, began, now):
        if not isinstance(node, Node):
            yield node
            continue
        failure = failure or node.of.error
        told = _node(run_path, node)
        if node.of.status == "SKIPPED":  # told as if it had failed the same way (measured)
            told["error"] = failure
        lasted = node.duration
        if isinstance(node.of, Stage) and not node.runs:
            lasted = node.of.duration  # what lies in it is left out (measured)
        steps = list(islice(steps_of(node, now), STEPS_PER_STAGE))
        yield {
            **told,
            "startTimeMillis": node.start,
            "durationMillis": lasted,
            "pauseDurationMillis": 0,
            "stageFlowNodes": [_step(run_path, step) for step in steps],
        }


def _step(run_path: str, node: Node) -> Json:
    told = _node(run_path, node)
    page = f"{run_path}execution/node/{node.id}/"
    told["_links"] |= {"log": {"href": f"{page}wfapi/log"}, "console": {"href": f"{page}log"}}
    if isinstance(node.of, Step) and node.of.parameter_description is not None:
        told["parameterDescription"] = node.of.parameter_description
    return {
        **told,
        "startTimeMillis": node.start,
        "durationMillis": node.duration,
        "pauseDurationMillis": 0,
        "parentNodes": [str(node.id - 1)],
    }


def _node(run_path: str, node: Node) -> Json:
    found: Json = {
        "_links": {"self": {"href": f"{run_path}execution/node/{node.id}/wfapi/describe"}},
        "id": str(node.id),
        "name": node.of.name,
        "execNode": "",
        "status": STATUS.get(node.status, node.status),
    }
    if node.of.error is not None and not node.runs:
        found["error"] = node.of.error
    return found


def paused(began: int, now: int, run_path: str, node: int = 99) -> Json:
    """The stage of a build that waits for somebody to agree."""
    lasted = max(0, now - began)
    times = {
        "startTimeMillis": began, "durationMillis": lasted, "pauseDurationMillis": lasted,
    }  # fmt: skip
    waits = Step("Wait for interactive input", "PAUSED_PENDING_INPUT")
    step = _node(run_path, Node(waits, node + 1, began, lasted))
    stage = _node(run_path, Node(Stage("Approve", status=waits.status), node, began, lasted))
    return {**stage, **times, "stageFlowNodes": [{**step, **times, "parentNodes": [str(node)]}]}
