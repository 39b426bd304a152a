"""One completed build and its stage tree → one IaCM execution. Pure functions, no I/O.

Source of the fields: Harness' API reference, ``POST …/executions``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from poller.config.rules import Rule
from poller.core.escape import NAME, clip
from poller.jenkins.stage import Stage, StageTree
from poller.mapping.payload import JobRun

NO_TREE = "no stage tree"
NO_STAGE = "no stage names terraform, tofu or terragrunt"

_TOOLS = re.compile(r"(?<![a-z0-9])(terraform|(open)?tofu|terragrunt)(?![a-z0-9])", re.IGNORECASE)


class NewExecution(msgspec.Struct, frozen=True, gc=False):
    """The body of the POST: made once, when the build is recorded, and kept; what is sent of a
    build is the same for ever, whatever the config says later.

    ``pipeline``: the job's ``fullName``, which is unique on its controller, and SEI's
    ``job_full_name``. ``pipeline_execution_id``: SEI's ``execution_id``, so that both records of a
    build can be put together: UUIDv5 of (instance GUID, ``fullName``, number, timestamp), of this
    build and of no other. ``pipeline_stage_id``: the id that Jenkins gives the
    stage, its first node in the flow graph, which never changes once the build has run.
    ``workspace``: the rule's ``iacm_workspace`` as it stands.
    """

    pipeline: str
    pipeline_execution_id: str
    pipeline_stage_id: str
    workspace: str


@dataclass(frozen=True)
class NoExecution:
    """A build that is not recorded at IaCM though its rule names a workspace, and why."""

    reason: str


def new_execution(
    run: JobRun, tree: StageTree | None, rule: Rule
) -> NewExecution | NoExecution | None:
    """What IaCM gets of a build; None where its rule names no workspace.

    A build without stages has no stage id, and nothing is made up for it.
    """
    if rule.iacm_workspace is None:
        return None
    stages = tree.stages if tree is not None else []
    if not stages:
        return NoExecution(NO_TREE)
    stage = _stage(stages, rule.iacm_stage)
    if stage is None:
        wanted = f"no stage is called {rule.iacm_stage}"
        return NoExecution(NO_STAGE if rule.iacm_stage is None else wanted)
    return NewExecution(
        pipeline=run.job_full_name,
        pipeline_execution_id=run.execution_id,
        pipeline_stage_id=clip(stage.id, NAME),
        workspace=rule.iacm_workspace,
    )


def _stage(stages: list[Stage], name: str | None) -> Stage | None:
    """The first of that name; without a name, the first with a step that names a tool."""
    if name is not None:
        return next((stage for stage in stages if stage.name == name), None)
    return next((stage for stage in stages if names_a_tool(stage)), None)


def names_a_tool(stage: Stage) -> bool:
    """Whether a step's name or arguments name terraform, tofu or terragrunt, as a word."""
    return any(
        _TOOLS.search(text) for step in stage.steps for text in (step.name, step.description)
    )


def encode(execution: NewExecution) -> bytes:
    """The body as JSON."""
    return msgspec.json.encode(execution)
