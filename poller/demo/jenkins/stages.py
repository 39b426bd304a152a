"""The stage trees of simulated pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from poller.demo.jenkins.consoles import Console

QUEUED_MS = 2
"""A pipeline's start is some milliseconds after core's."""

OVERHEAD_MS = 20
"""Between two stages, and before the first."""

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step; ``duration`` is in milliseconds, ``status`` core's word, ``log`` what it wrote."""

    name: str = "Shell Script"
    status: str = "SUCCESS"
    duration: int = 100
    parameter_description: str | None = None
    error: Json | None = None
    log: Console = ""


@dataclass(frozen=True)
class Stage:
    """One stage: its steps, then those that it holds, one after the other or in parallel. Its
    ``status`` is core's word, or SKIPPED for one that an earlier failure left out."""

    name: str
    steps: Sequence[Step] = ()
    status: str = "SUCCESS"
    error: Json | None = None
    inner: Sequence[Stage] = ()
    parallel: bool = False

    @property
    def duration(self) -> int:
        """Milliseconds, without those that it holds."""
        return sum(step.duration for step in self.steps)

    @property
    def whole_duration(self) -> int:
        """Milliseconds, with them."""
        inner = [stage.whole_duration + OVERHEAD_MS for stage in self.inner]
        return self.duration + (max(inner, default=0) if self.parallel else sum(inner))


@dataclass(frozen=True)
class Node:
    """A stage or step as it ran: the number of its node, when it began (epoch ms), for how long
    (ms; of a stage, with those in it), in how many stages, and whether as a parallel branch.
    ``parent`` is the stage that it lies in."""

    of: Stage | Step
    id: int
    start: int
    duration: int
    depth: int = 0
    branch: bool = False
    parent: int | None = None
    runs: bool = False

    @property
    def status(self) -> str:
        """IN_PROGRESS while it runs."""
        return "IN_PROGRESS" if self.runs else self.of.status


Stages: TypeAlias = Sequence[Stage | Json]
"""Stages of a build; one that is a dict goes out as it is."""

USUAL: Stages = tuple(
    Stage(name, tuple(Step(parameter_description=f"make {name.lower()}-{n}") for n in (1, 2, 3)))
    for name in ("Checkout", "Build", "Deploy")
)


def duration_of(stages: Stages) -> int:
    """How long a build of these stages takes, in milliseconds."""
    return OVERHEAD_MS + sum(
        stage.whole_duration + OVERHEAD_MS for stage in stages if isinstance(stage, Stage)
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
    if last.inner:
        inner = tuple(one for one in ended(last.inner, result) if isinstance(one, Stage))
        return [*stages[:-1], replace(last, inner=inner)]
    steps = [*last.steps[:-1], *(replace(s, status=result, error=error) for s in last.steps[-1:])]
    return [*stages[:-1], replace(last, status=result, error=error, steps=tuple(steps))]


def laid_out(stages: Stages, began: int, now: int | None) -> Iterator[Node | Json]:
    """Each stage as it ran, depth first. ``now`` is None for a build that is done; one that runs
    shows what has begun."""
    first = Node(Stage(""), 6, 0, 0, depth=-1)
    yield from _laid_out(stages, began + OVERHEAD_MS, now, first, 6)


def _laid_out(
    stages: Stages, start: int, now: int | None, holder: Node, node: int
) -> Iterator[Node | Json]:
    """Those in ``holder``; ``node`` is the number of the first."""
    parallel = isinstance(holder.of, Stage) and holder.of.parallel
    for stage in stages:
        if now is not None and start > now:
            return
        if not isinstance(stage, Stage):
            yield stage
            continue
        duration = stage.whole_duration
        runs = now is not None and start + duration > now
        lasted = now - start if runs and now is not None else duration
        parent = holder.id if holder.depth >= 0 else None
        one = Node(stage, node, start, lasted, holder.depth + 1, parallel, parent, runs)
        yield one
        node += len(stage.steps) + 4
        for inner in _laid_out(stage.inner, start + stage.duration + OVERHEAD_MS, now, one, node):
            yield inner
            if isinstance(inner, Node) and isinstance(inner.of, Stage):
                node = inner.id + len(inner.of.steps) + 4
        start += 0 if parallel else duration + OVERHEAD_MS


def steps_of(stage: Node, now: int | None) -> Iterator[Node]:
    """The steps of a stage, as they ran."""
    start = stage.start
    for place, step in enumerate(stage.of.steps if isinstance(stage.of, Stage) else (), 1):
        if now is not None and start > now:
            return
        runs = now is not None and start + step.duration > now
        lasted = now - start if runs and now is not None else step.duration
        yield Node(step, stage.id + place, start, lasted, parent=stage.id, runs=runs)
        start += step.duration
