"""What makes a completed build whole, so that it can be mapped: its stage tree and its log."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from poller.errors import BadAnswer, NotFound, RemoteError
from poller.jenkins.api import Api
from poller.jenkins.console import Console
from poller.jenkins.model import Build, StageTree
from poller.logs.capture import Log

PIPELINE_RUN = "org.jenkinsci.plugins.workflow.job.WorkflowRun"
"""The one class of build that has stages; wfapi answers 404 for all others (measured)."""

NEWEST_RUNS = 10
"""``wfapi/runs`` always returns the ten newest (measured)."""

RUNS_WORTH_IT = 3
"""``runs`` makes Jenkins read ten flow graphs, ``describe`` one; ``runs`` saves round trips."""


@dataclass(frozen=True)
class Whole:
    """A completed build with all that mapping needs; ``tree`` is None where there are no stages,
    ``log`` where none was asked for."""

    build: Build
    tree: StageTree | None
    log: Log | None = None


@dataclass(frozen=True)
class Failure:
    """A build that could not be had whole this time, and why."""

    build: Build
    why: str
    broken: bool = False


async def make_whole(
    api: Api,
    console: Console,
    full_name: str,
    builds: Sequence[Build],
    newest: Collection[int] = (),
) -> list[Whole | Failure]:
    """Each of the completed ``builds`` of a job, whole, or why it is not. A log that can't be had
    keeps no build back.

    ``newest`` are the job's newest numbers: ten stage trees can be had of those at once.
    """
    pipelines = [b.number for b in builds if b.cls == PIPELINE_RUN and not b.broken]
    ten = sorted(newest, reverse=True)[:NEWEST_RUNS]
    at_once: dict[int, StageTree] = {}
    if len(set(ten).intersection(pipelines)) >= RUNS_WORTH_IT:
        at_once = await _ten_stage_trees(api, full_name)

    async def one(build: Build) -> Whole | Failure:
        if build.broken:
            return Failure(build, "Jenkins could not load it whole", broken=True)
        try:
            tree = at_once.get(build.number) or await _stage_tree(api, full_name, build)
        except RemoteError as error:
            return Failure(build, str(error))
        return Whole(build, tree, await console.read(api, full_name, build))

    return await asyncio.gather(*(one(build) for build in builds))


async def _stage_tree(api: Api, full_name: str, build: Build) -> StageTree | None:
    if build.cls != PIPELINE_RUN:
        return None
    try:
        return await api.stage_tree(full_name, build.number)
    except NotFound:
        return None


async def _ten_stage_trees(api: Api, full_name: str) -> dict[int, StageTree]:
    try:
        trees = await api.ten_stage_trees(full_name)
    except (BadAnswer, NotFound):
        return {}  # one bad tree spoils the answer for ten: ask for each alone
    return {int(tree.id): tree for tree in trees if tree.id.isdecimal()}
