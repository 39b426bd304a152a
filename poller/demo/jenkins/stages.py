"""The stage trees of simulated pipelines, and how wfapi tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

STATUS = {"FAILURE": "FAILED", "NOT_BUILT": "NOT_EXECUTED"}
"""wfapi's words for core's results, where they differ."""

STEPS_PER_STAGE = 100
"""wfapi shows the first 100 steps of a stage."""

OVERHEAD_MS = 20
"""Between two stages, and before the first."""

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step; ``duration`` is in milliseconds."""

    name: str = "Shell Script"
    status: str = "SUCCESS"
    duration: int = 100
    parameter_description: str | None = None
    error: Json | None = None


@dataclass(frozen=True)
class Stage:
    """One stage; its duration is its steps'."""

    name: str
    steps: Sequence[Step] = ()
    status: str = "SUCCESS"
    error: Json | None = None

    @property
    def duration(self) -> int:
        """Milliseconds."""
        return sum(step.duration for step in self.steps)


Stages: TypeAlias = Sequence[Stage | Json]
"""Stages of a build; one that is a dict goes out as it is."""

USUAL: Stages = tuple(
    Stage(name, tuple(Step(parameter_description=f"make {name.lower()}-{n}") for n in (1, 2, 3)))
    for name in ("Checkout", "Build", "Deploy")
)


def duration_of(stages: Stages) -> int:
    """How long a build of these stages takes, in milliseconds."""
    return OVERHEAD_MS + sum(
        stage.duration + OVERHEAD_MS for stage in stages if isinstance(stage, Stage)
    )


def ended(stages: Stages, result: str) -> Stages:
    """The stages of a build that ended as ``result``: the last one, and its last step, as it."""
    last = stages[-1] if stages else None
    if result not in ("FAILURE", "ABORTED") or not isinstance(last, Stage):
        return stages
    error: Json = {"message": "script returned exit code 1", "type": "hudson.AbortException"}
    if result == "ABORTED":
        error = {
            "message": None,
            "type": "org.jenkinsci.plugins.workflow.steps.FlowInterruptedException",
        }
    status = STATUS.get(result, result)
    steps = [*last.steps[:-1], *(replace(s, status=status, error=error) for s in last.steps[-1:])]
    return [*stages[:-1], replace(last, status=status, error=error, steps=tuple(steps))]


def exported(stages: Stages, run_path: str, began: int, now: int | None) -> Iterator[Json]:
    """``stages[]`` with their steps. ``now`` is None for a build that is done; one that runs shows
    what has begun. ``run_path`` is the path of the build's page, with a slash at its end."""
    node, start = 6, began + OVERHEAD_MS
    for stage in stages:
        if now is not None and start > now:
            return
        if not isinstance(stage, Stage):
            yield stage
            continue
        end = start + stage.duration
        runs = now is not None and end > now
        yield {
            **_node(run_path, node, stage, "IN_PROGRESS" if runs else stage.status),
            "startTimeMillis": start,
            "durationMillis": now - start if runs and now is not None else stage.duration,
            "pauseDurationMillis": 0,
            "stageFlowNodes": list(_steps(stage, run_path, node, start, now)),
        }
        start, node = end + OVERHEAD_MS, node + len(stage.steps) + 4


def _steps(stage: Stage, run_path: str, parent: int, start: int, now: int | None) -> Iterator[Json]:
    for place, step in enumerate(stage.steps[:STEPS_PER_STAGE]):
        if now is not None and start > now:
            return
        runs = now is not None and start + step.duration > now
        node = _node(run_path, parent + 1 + place, step, "IN_PROGRESS" if runs else step.status)
        page = f"{run_path}execution/node/{parent + 1 + place}/"
        node["_links"] |= {"log": {"href": f"{page}wfapi/log"}, "console": {"href": f"{page}log"}}
        if step.parameter_description is not None:
            node["parameterDescription"] = step.parameter_description
        yield {
            **node,
            "startTimeMillis": start,
            "durationMillis": now - start if runs and now is not None else step.duration,
            "pauseDurationMillis": 0,
            "parentNodes": [str(parent if place == 0 else parent + place)],
        }
        start += step.duration


def _node(run_path: str, node: int, of: Stage | Step, status: str) -> Json:
    found: Json = {
        "_links": {"self": {"href": f"{run_path}execution/node/{node}/wfapi/describe"}},
        "id": str(node),
        "name": of.name,
        "execNode": "",
        "status": status,
    }
    if of.error is not None and status == of.status:
        found["error"] = of.error
    return found


def paused(began: int, now: int, run_path: str, node: int = 99) -> Json:
    """The stage of a build that waits for somebody to agree."""
    step = _node(
        run_path,
        node + 1,
        Step("Wait for interactive input", "PAUSED_PENDING_INPUT"),
        "PAUSED_PENDING_INPUT",
    )
    times = {
        "startTimeMillis": began,
        "durationMillis": max(0, now - began),
        "pauseDurationMillis": max(0, now - began),
    }
    stage = _node(run_path, node, Stage("Approve"), "PAUSED_PENDING_INPUT")
    return {**stage, **times, "stageFlowNodes": [{**step, **times, "parentNodes": [str(node)]}]}
