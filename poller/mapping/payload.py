"""The SEI payload of one build; pure data, as SEI's "Custom CI/CD integrations" page has it.

Where Jenkins has no value the key is left out (``UNSET``). Times are epoch milliseconds, durations
milliseconds.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType


class RunStep(Struct, frozen=True, kw_only=True, gc=False):
    """One step of a stage. ``startTime`` is ISO 8601."""

    id: str
    startTime: str | UnsetType = UNSET
    displayName: str
    displayDescription: str
    durationInMillis: int
    result: str
    state: str


class RunStage(RunStep, frozen=True, kw_only=True, gc=False):
    """One stage with its steps."""

    steps: list[RunStep] = []


class RunStages(Struct, frozen=True):
    """The ``job_run`` of a build that has stages."""

    stages: list[RunStage]


class Param(Struct, frozen=True):
    """One of ``job_run_params``; never without a value."""

    type: str
    name: str
    value: Any


class Trigger(Struct, frozen=True):
    """One link of the ``trigger_chain``; an upstream build's has its number, and why that started.
    SEI joins runs by ``id`` and ``job_run_number``, which its own plugin sends as text."""

    id: str
    type: str
    job_run_number: str | UnsetType = UNSET
    direct_parents: list[Trigger] | UnsetType = UNSET


class Artifact(Struct, frozen=True, kw_only=True):
    """One of ``artifacts``: what the build used (``input``) or made (``output``)."""

    input: bool
    output: bool
    type: str
    location: str
    name: str
    qualifier: str
    hash: str | UnsetType = UNSET
    metadata: Any | UnsetType = UNSET


class JobRun(Struct, frozen=True, kw_only=True):
    """What SEI calls a job run."""

    pipeline: str
    job_full_name: str
    qualified_name: str
    instance_name: str
    instance_guid: str
    instance_url: str
    start_time: int
    duration: int
    result: str
    build_number: int
    execution_id: str
    web_url: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    job_run: RunStages | None = None
    job_run_params: list[Param] | UnsetType = UNSET
    scm_commit_ids: list[str] | UnsetType = UNSET
    repo_url: str | UnsetType = UNSET
    branch_name: str | UnsetType = UNSET
    module_name: str | UnsetType = UNSET
    project_name: str | UnsetType = UNSET
    themes: list[str] | UnsetType = UNSET
    cfr_status: bool | UnsetType = UNSET
    ci: bool | UnsetType = True
    cd: bool | UnsetType = False
    artifacts: list[Artifact] | UnsetType = UNSET
    trigger_chain: list[Trigger] | UnsetType = UNSET


def pretty(body: bytes) -> str:
    """A payload as indented JSON; as it is, where it is none."""
    with contextlib.suppress(msgspec.DecodeError):
        body = msgspec.json.format(body, indent=2)
    return body.decode("utf-8", "replace")


def encode(run: JobRun) -> bytes:
    """The run as JSON."""
    return msgspec.json.encode(run)
