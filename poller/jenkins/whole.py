"""What makes a completed build whole, so that it can be mapped: its stage tree, the causes of the
builds above it, the artifact manifests that it archived, its log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from poller.errors import BadAnswer, LeftAlone, NotFound, RemoteError
from poller.jenkins.api import Api
from poller.jenkins.manifests import manifests
from poller.jenkins.model import Build, StageTree
from poller.jenkins.paths import MOST_DIGITS
from poller.logs.capture import Log
from poller.sei.evidence import Manifest, UpstreamBuild
from poller.together import together
from poller.watched import Watched

PIPELINE_RUN = "org.jenkinsci.plugins.workflow.job.WorkflowRun"
"""The one class of build that has stages; wfapi answers 404 for all others (measured)."""

NEWEST_RUNS = 10
"""``wfapi/runs`` always returns the ten newest (measured)."""

RUNS_WORTH_IT = 3
"""``runs`` makes Jenkins read ten flow graphs, ``describe`` one; ``runs`` saves round trips."""


@dataclass(frozen=True)
class Whole:
    """A completed build with all that mapping needs; ``tree`` is None where there are no stages,
    ``log`` where none was asked for.

    ``lacking`` is what the build has and could not be had or used, one line each: its run goes
    without.
    """

    build: Build
    tree: StageTree | None
    log: Log | None = None
    upstream: tuple[UpstreamBuild, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A build that could not be had whole this time, and why.

    ``otherwise`` is what its run can be made of when trying again has been no use: what is missing
    is not worth to hold it back for ever.
    """

    build: Build
    why: str
    broken: bool = False
    otherwise: Whole | None = None


async def make_whole(
    watched: Watched, full_name: str, builds: Sequence[Build], newest: Collection[int] = ()
) -> list[Whole | Failure]:
    """Each of the completed ``builds`` of a job, whole, or why it is not. A log that can't be had
    keeps no build back. Raises LeftAlone: then nothing is known of any of them.

    ``newest`` are the job's newest numbers: ten stage trees can be had of those at once.
    """
    api = watched.api
    wanted = {b.number for b in builds if not b.broken and watched.wanted(full_name, b)}
    pipelines = [b.number for b in builds if b.cls == PIPELINE_RUN and b.number in wanted]
    ten = sorted(newest, reverse=True)[:NEWEST_RUNS]
    at_once: dict[int, StageTree] = {}
    if len(set(ten).intersection(pipelines)) >= RUNS_WORTH_IT:
        at_once = await _ten_stage_trees(api, full_name)

    async def one(build: Build) -> Whole | Failure:
        if build.broken:
            return Failure(build, "Jenkins could not load it whole", broken=True)
        if build.number not in wanted:
            return Whole(build, None)
        try:
            tree = at_once.get(build.number) or await _stage_tree(api, full_name, build)
        except LeftAlone:
            raise
        except RemoteError as error:
            return Failure(build, str(error))
        return await _with_evidence(watched, full_name, build, tree)

    return await together(one(build) for build in builds)


async def _with_evidence(
    watched: Watched, full_name: str, build: Build, tree: StageTree | None
) -> Whole | Failure:
    # One after the other: other builds are asked for beside this one, and most have none of it.
    above = await watched.upstream.of(full_name, build)
    archived = await manifests(watched.api, full_name, build)
    log = await watched.console.read(watched.api, full_name, build)
    retry = [why for why in (above.retry, archived.retry) if why]
    no_log = [f"console log: {log.absent}"] if log is not None and log.absent else []
    lacking = (*archived.wrong, *retry, *no_log)
    whole = Whole(build, tree, log, above.builds, archived.read, lacking)
    return Failure(build, retry[0], otherwise=whole) if retry else whole


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
    return {
        int(tree.id): tree for tree in trees if tree.id.isdecimal() and len(tree.id) <= MOST_DIGITS
    }
