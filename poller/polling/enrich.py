"""What a completed build needs to be mapped: its stage tree, the causes of the builds above it, the
artifact manifests that it archived, its log."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from poller.core.errors import BadAnswer, CircuitOpen, RemoteError
from poller.core.tasks import together
from poller.jenkins.build import Build
from poller.jenkins.discovery import in_multibranch
from poller.jenkins.paths import public_name
from poller.jenkins.stage import StageTree
from poller.jenkins.stage_trees import (
    NEWEST_RUNS,
    PIPELINE_RUN,
    RUNS_WORTH_IT,
    stage_tree,
    ten_stage_trees,
)
from poller.mapping.evidence import EnrichedBuild, UpstreamBuild
from poller.mapping.extract import NOTHING_EXTRACTED
from poller.mapping.params import redactor_of
from poller.mapping.rules import Facts, early_skip
from poller.polling.controller import Controller
from poller.polling.manifests import manifests


@dataclass(frozen=True)
class EnrichFailure:
    """A build that lacks something this time, and why.

    ``fallback`` is what its run can be made of when trying again has been no use: what is missing
    is not worth to hold it back for ever.
    """

    build: Build
    why: str
    broken: bool = False
    fallback: EnrichedBuild | None = None


async def enrich(
    controller: Controller, full_name: str, builds: Sequence[Build], newest: Collection[int] = ()
) -> list[EnrichedBuild | EnrichFailure]:
    """Each of the completed ``builds`` of a job with its evidence, or why it has not all of it. For
    a build that is not sent, nothing is asked. A log that can't be had keeps no build back. Raises
    CircuitOpen: then nothing is known of any of them.

    ``newest`` are the job's newest numbers: ten stage trees can be had of those at once.
    """
    client, config = controller.client, controller.mapping
    rules, name = controller.rules_of(full_name), public_name(full_name)
    wanted = {
        build.number
        for build in builds
        if not build.broken
        and early_skip(rules, Facts(name, build, config.redactor), config.results) is None
    }
    pipelines = [b.number for b in builds if b.cls == PIPELINE_RUN and b.number in wanted]
    ten = sorted(newest, reverse=True)[:NEWEST_RUNS]
    at_once: dict[int, StageTree] = {}
    if len(set(ten).intersection(pipelines)) >= RUNS_WORTH_IT:
        at_once = await ten_stage_trees(client, full_name)

    async def one(build: Build) -> EnrichedBuild | EnrichFailure:
        if build.broken:
            return EnrichFailure(build, "Jenkins could not load it whole", broken=True)
        if build.number not in wanted:
            return EnrichedBuild(build, config.redactor)
        try:
            tree = at_once.get(build.number) or await stage_tree(client, full_name, build)
        except CircuitOpen:
            raise
        except RemoteError as error:
            return EnrichFailure(build, str(error))
        return await _with_evidence(controller, full_name, build, tree)

    return await together(one(build) for build in builds)


async def fetch_enriched(
    controller: Controller, full_name: str, build: Build, *, may_be_incomplete: bool
) -> tuple[EnrichedBuild, bool]:
    """One completed build for a command: enriched, but for a log to keep; and whether its job is
    part of a multibranch project. With ``may_be_incomplete``, it goes without what can't be had
    now.

    Raises RemoteError.
    """
    (found,) = await enrich(controller.for_rules_only(), full_name, [build])
    if isinstance(found, EnrichFailure):
        if not may_be_incomplete or found.fallback is None:
            raise BadAnswer(controller.client.where, f"{full_name} #{build.number}", found.why)
        found = found.fallback
    return found, await in_multibranch(controller.client, full_name)


async def _with_evidence(
    controller: Controller, full_name: str, build: Build, tree: StageTree | None
) -> EnrichedBuild | EnrichFailure:
    redactor = redactor_of(build, controller.mapping.redactor)
    # One after the other: other builds are asked for beside this one, and most have none of it.
    above = await controller.upstream.of(full_name, build)
    archived = await manifests(controller.client, full_name, build)
    log = await controller.logs.read(controller.client, full_name, build, redactor)
    retry = [why for why in (above.retry, archived.retry) if why]
    read_error = log.kept.read_error if log is not None else None
    no_log = [f"console log: {read_error}"] if read_error else []
    enriched = EnrichedBuild(
        build,
        redactor,
        tree,
        _as_sent(controller, above.builds),
        archived.read,
        log.extracted if log is not None else NOTHING_EXTRACTED,
        log.kept if log is not None else None,
        (*archived.wrong, *retry, *no_log),
    )
    return EnrichFailure(build, retry[0], fallback=enriched) if retry else enriched


def _as_sent(controller: Controller, above: Sequence[UpstreamBuild]) -> tuple[UpstreamBuild, ...]:
    """The builds above with the numbers that SEI knows them by."""
    if not above:
        return ()
    row, builds = controller.row(), controller.ledger.builds
    return tuple(
        dataclasses.replace(
            up,
            build_number=builds.sent_number(
                row.id, up.job, up.number, up.started, renumber=controller.renumber
            ),
        )
        for up in above
    )
