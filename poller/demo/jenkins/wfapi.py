"""The pipeline-rest-api plugin: the stage trees of a pipeline's builds."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from poller.demo.jenkins.build_exports import encode, newest_first
from poller.demo.jenkins.builds import PAUSED
from poller.demo.jenkins.stages import STATUS, exported, paused

if TYPE_CHECKING:
    from poller.demo.jenkins.builds import Build
    from poller.demo.jenkins.items import Item, Job


RUNS = 10
"""``runs`` has the ten newest, always."""

QUEUED_MS = 2
"""wfapi's start is some milliseconds after core's."""


def path(item: Item) -> str:
    """``/job/folder/job/name/``."""
    return f"{path(item.parent)}job/{encode(item.name)}/" if item.parent is not None else "/"


def describe(build: Build, now: int, *, full: bool) -> dict[str, Any]:
    """``wfapi/describe``; the stages hold their steps when ``full``."""
    page = f"{path(build.job)}{build.number}/"
    began = build.timestamp + QUEUED_MS
    duration = max(0, now - began) if build.building else build.duration
    links: dict[str, Any] = {"self": {"href": f"{page}wfapi/describe"}}
    for name, there in (("artifacts", build.artifacts), ("changesets", build.change_sets)):
        if there:
            links[name] = {"href": f"{page}wfapi/{name}"}
    shown = list(exported(build.stages, page, began, now if build.building else None))
    status = STATUS.get(build.result or "", build.result) or "IN_PROGRESS"
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
