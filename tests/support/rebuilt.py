"""The recorded jobs, built again in a simulated Jenkins: same names, classes, numbers, results."""

from __future__ import annotations

from typing import Any

from poller.demo.jenkins.builds import INTERRUPTED, NO_CHANGES, Build
from poller.demo.jenkins.items import Folder, Jenkins, Job
from poller.demo.jenkins.job_kinds import KINDS
from poller.demo.jenkins.stages import Stage, Step
from tests.support.replay import RECORDINGS, Recorded, item_tree, recorded_jobs

KIND_OF_CLASS = {kind.job_class: name for name, kind in KINDS.items()}


def rebuilt() -> Jenkins:
    """All recorded jobs, and the recorded items without builds."""
    jobs = recorded_jobs()
    jenkins = Jenkins()
    _items(jenkins, item_tree(RECORDINGS, jobs)["jobs"])
    for recorded in jobs.values():
        _builds(jenkins.job(recorded.full_name, kind_of(recorded)), recorded)
    for name, kind in (("many-130", "freestyle"), ("many-130p", "pipeline")):
        job = jenkins.job(name, kind)
        for _ in range(130):
            job.build(stages=[Stage("S", [Step("Print Message", parameter_description="x")])])
    return jenkins


def kind_of(recorded: Recorded) -> str:
    """``pipeline``, ``freestyle``, …"""
    return KIND_OF_CLASS[recorded.job["_class"]]


def actions_of(recorded: Recorded, number: int) -> list[dict[str, Any]]:
    """The actions of a build; who aborted it stands only in the answer to a tree."""
    aborts = [a for a in recorded.builds[number]["actions"] if a.get("_class") == INTERRUPTED]
    actions = recorded.alone[number]["actions"]
    return [aborts.pop(0) if a.get("_class") == INTERRUPTED else a for a in actions]


def stages_of(tree: dict[str, Any]) -> list[Stage]:
    """A recorded stage tree as stages of a simulated build."""
    return [
        Stage(
            stage["name"],
            [
                Step(
                    step["name"],
                    step["status"],
                    step["durationMillis"],
                    step.get("parameterDescription"),
                    step.get("error"),
                )
                for step in stage["stageFlowNodes"]
            ],
            stage["status"],
            stage.get("error"),
        )
        for stage in tree["stages"]
    ]


def _items(jenkins: Jenkins, items: list[dict[str, Any]]) -> None:
    for item in items:
        if "jobs" not in item:
            jenkins.job(item["fullName"], KIND_OF_CLASS[item["_class"]])
            continue
        multibranch = item["_class"].endswith("MultiBranchProject")
        make = jenkins.multibranch if multibranch else jenkins.folder
        assert isinstance(make(item["fullName"]), Folder)
        _items(jenkins, item["jobs"])


def _builds(job: Job, recorded: Recorded) -> None:
    for number in sorted(recorded.builds):
        job.next_build_number = number
        _build(
            job,
            recorded.alone[number],
            actions_of(recorded, number),
            recorded.stage_trees.get(number),
            {path: body for (of, path), body in recorded.archived.items() if of == number},
        )
    job.next_build_number = recorded.summary["nextBuildNumber"]


def _build(
    job: Job,
    recorded: dict[str, Any],
    actions: list[dict[str, Any]],
    tree: dict[str, Any] | None,
    archived: dict[str, bytes],
) -> Build:
    changes = recorded.get("changeSets") or [recorded.get("changeSet")]
    build = job.start(
        timestamp=recorded["timestamp"],
        actions=actions,
        stages=stages_of(tree) if tree is not None else None,
        change_sets=[
            change for change in changes if change and change["_class"] != NO_CHANGES["_class"]
        ],
    )
    build.artifacts = recorded["artifacts"]
    build.archived = archived
    build.culprits = recorded["culprits"]
    build.matrix_runs = recorded.get("runs", [])
    build.description = recorded["description"]
    if tree is not None and tree["status"] == "PAUSED_PENDING_INPUT":
        build.stages = build.stages[:-1]  # pausing adds the one that waits
        build.pause()
    if recorded["result"] is not None and not recorded["building"]:
        build.finish(recorded["result"], recorded["duration"])
    return build
