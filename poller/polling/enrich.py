"""What makes a completed build whole, so that it can be mapped: its stage tree, the causes of the
builds above it, the artifact manifests that it archived, its log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from poller.core.errors import CircuitOpen, RemoteError
from poller.core.tasks import together
from poller.jenkins.models import Build, StageTree
from poller.jenkins.stage_trees import (
    NEWEST_RUNS,
    PIPELINE_RUN,
    RUNS_WORTH_IT,
    stage_tree,
    ten_stage_trees,
)
from poller.mapping.evidence import Manifest, UpstreamBuild
from poller.polling.console_log import CollectedLog
from poller.polling.controller import Controller
from poller.polling.manifests import manifests


@dataclass(frozen=True)
class EnrichedBuild:
    """A completed build with all that mapping needs; ``tree`` is None where there are no stages,
    ``log`` where none was asked for.

    ``lacking`` is what the build has and could not be had or used, one line each: its run goes
    without.
    """

    build: Build
    tree: StageTree | None
    log: CollectedLog | None = None
    upstream: tuple[UpstreamBuild, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnrichFailure:
    """A build that could not be had whole this time, and why.

    ``otherwise`` is what its run can be made of when trying again has been no use: what is missing
    is not worth to hold it back for ever.
    """

    build: Build
    why: str
    broken: bool = False
    otherwise: EnrichedBuild | None = None


async def enrich(
    controller: Controller, full_name: str, builds: Sequence[Build], newest: Collection[int] = ()
) -> list[EnrichedBuild | EnrichFailure]:
    """Each of the completed ``builds`` of a job, whole, or why it is not. A log that can't be had
    keeps no build back. Raises LeftAlone: then nothing is known of any of them.

    ``newest`` are the job's newest numbers: ten stage trees can be had of those at once.
    """
    api = controller.client
    wanted = {b.number for b in builds if not b.broken and controller.wanted(full_name, b)}
    pipelines = [b.number for b in builds if b.cls == PIPELINE_RUN and b.number in wanted]
    ten = sorted(newest, reverse=True)[:NEWEST_RUNS]
    at_once: dict[int, StageTree] = {}
    if len(set(ten).intersection(pipelines)) >= RUNS_WORTH_IT:
        at_once = await ten_stage_trees(api, full_name)

    async def one(build: Build) -> EnrichedBuild | EnrichFailure:
        if build.broken:
            return EnrichFailure(build, "Jenkins could not load it whole", broken=True)
        if build.number not in wanted:
            return EnrichedBuild(build, None)
        try:
            tree = at_once.get(build.number) or await stage_tree(api, full_name, build)
        except CircuitOpen:
            raise
        except RemoteError as error:
            return EnrichFailure(build, str(error))
        return await _with_evidence(controller, full_name, build, tree)

    return await together(one(build) for build in builds)


async def _with_evidence(
    controller: Controller, full_name: str, build: Build, tree: StageTree | None
) -> EnrichedBuild | EnrichFailure:
    # One after the other: other builds are asked for beside this one, and most have none of it.
    above = await controller.upstream.of(full_name, build)
    archived = await manifests(controller.client, full_name, build)
    log = await controller.logs.read(controller.client, full_name, build)
    retry = [why for why in (above.retry, archived.retry) if why]
    no_log = [f"console log: {log.kept.absent}"] if log is not None and log.kept.absent else []
    lacking = (*archived.wrong, *retry, *no_log)
    whole = EnrichedBuild(build, tree, log, above.builds, archived.read, lacking)
    return EnrichFailure(build, retry[0], otherwise=whole) if retry else whole
