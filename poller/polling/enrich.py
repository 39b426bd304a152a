"""What a completed build needs to be mapped: its stage tree, the causes of the builds above it, the
artifact manifests that it archived, its log, why it failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from poller.core.errors import BadAnswer, NotAsked, RemoteError
from poller.core.tasks import together
from poller.jenkins.build import Build
from poller.jenkins.build_pages import BuildPage
from poller.jenkins.build_values import BuildFault
from poller.jenkins.discovery import in_multibranch
from poller.jenkins.paths import public_name
from poller.jenkins.stage import StageTree
from poller.ledger.records import Pending
from poller.mapping.evidence import EnrichedBuild, Missing, UpstreamBuild
from poller.mapping.extract import NOTHING_EXTRACTED
from poller.mapping.params import redactor_of
from poller.mapping.rules import Facts, early_skip
from poller.polling.controller import Controller
from poller.polling.extras.manifests import manifests
from poller.polling.pending import fewest_tries_first

NOTHING_PENDING: Mapping[int, Pending] = MappingProxyType({})
BROKEN = "Jenkins could not load it whole"


@dataclass(frozen=True)
class EnrichFailure:
    """A build that lacks something this time, and why.

    ``fallback`` is what its run can be made of when trying again has been no use; None for one
    that Jenkins could not load whole (``broken``). ``counts`` is False where nothing was asked of
    it.
    """

    build: Build
    why: str
    fallback: EnrichedBuild | None = None
    counts: bool = True

    @property
    def broken(self) -> bool:
        """Jenkins could not load it whole."""
        return self.fallback is None and self.counts


async def enrich(
    controller: Controller,
    full_name: str,
    read: BuildPage,
    newest: Collection[int] = (),
    pending: Mapping[int, Pending] = NOTHING_PENDING,
) -> list[EnrichedBuild | EnrichFailure]:
    """Each of the completed builds that were ``read`` of a job with its evidence, or why it has not
    all of it. For a build that is not sent, nothing is asked. A log that can't be had keeps no
    build back. Raises RemoteError where the controller is away: then nothing is known of any.

    ``newest`` are the job's newest numbers: ten stage trees can be had of those at once. Those that
    failed before (``pending``) come last.
    """
    config = controller.mapping
    rules, name = controller.rules_of(full_name), public_name(full_name)
    wanted = {
        build.number
        for build in read.builds
        if not build.broken
        and early_skip(rules, Facts(name, build, config.redactor), config.results) is None
    }
    order = fewest_tries_first((build.number for build in read.builds), pending)
    builds = {build.number: build for build in read.builds}
    sent = [builds[number] for number in order if number in wanted]
    trees = await controller.stages.of(full_name, sent, newest)

    async def one(build: Build) -> EnrichedBuild | EnrichFailure:
        fault = read.faults.get(build.number)
        if build.broken:
            return EnrichFailure(build, fault.why if fault else BROKEN)
        if build.number not in wanted:
            return EnrichedBuild(build, config.redactor)
        found = await _with_evidence(controller, full_name, build, trees.get(build.number))
        return found if fault is None else _with_fault(found, fault)

    return await together(one(build) for build in read.builds)


def _with_fault(
    found: EnrichedBuild | EnrichFailure, fault: BuildFault
) -> EnrichedBuild | EnrichFailure:
    """The same, without what the build's own record lacks."""
    lack = Missing("record", fault.why)
    if isinstance(found, EnrichFailure):
        if found.fallback is None:
            return found
        fallback = replace(found.fallback, incomplete=(lack, *found.fallback.incomplete))
        return replace(found, fallback=fallback)
    found = replace(found, incomplete=(lack, *found.incomplete))
    return EnrichFailure(found.build, fault.why, found) if fault.retry else found


async def fetch_enriched(
    controller: Controller, full_name: str, read: BuildPage, *, may_be_incomplete: bool
) -> tuple[EnrichedBuild, bool]:
    """One completed build for a command: enriched; and whether its job is part of a multibranch
    project. With ``may_be_incomplete``, it goes without what can't be had now.

    Raises RemoteError.
    """
    (found,) = await enrich(controller, full_name, read)
    build = found.build
    if isinstance(found, EnrichFailure):
        if not may_be_incomplete or found.fallback is None:
            raise BadAnswer(controller.client.where, f"{full_name} #{build.number}", found.why)
        found = found.fallback
    return found, await in_multibranch(controller.client, full_name)


async def _with_evidence(
    controller: Controller,
    full_name: str,
    build: Build,
    tree: StageTree | str | RemoteError | None,
) -> EnrichedBuild | EnrichFailure:
    redactor = redactor_of(build, controller.mapping.redactor)
    # One after the other: other builds are asked for beside this one, and most have none of it.
    above = await controller.upstream.of(full_name, build)
    archived = await manifests(controller.client, full_name, build)
    log = await controller.logs.read(controller.client, full_name, build, redactor)
    lacks = [Missing("stages", str(tree))] if isinstance(tree, RemoteError) else []
    lacks += [
        *([Missing("causes", above.retry)] if above.retry else []),
        *([Missing("manifest", archived.retry)] if archived.retry else []),
    ]
    read_error = log.kept.read_error if log is not None else None
    enriched = EnrichedBuild(
        build,
        redactor,
        tree if isinstance(tree, StageTree) else None,
        _as_sent(controller, above.builds),
        archived.read,
        log.extracted if log is not None else NOTHING_EXTRACTED,
        log.kept if log is not None else None,
        incomplete=(
            *([Missing("stages", tree)] if isinstance(tree, str) else []),
            *(Missing("manifest", wrong) for wrong in archived.wrong),
            *lacks,
            *([Missing("log", f"console log: {read_error}")] if read_error else []),
        ),
    )
    enriched = await controller.failures.read(
        controller.client, controller.stages, full_name, enriched
    )
    if not lacks:
        return enriched
    return EnrichFailure(build, lacks[0].why, enriched, counts=not isinstance(tree, NotAsked))


def _as_sent(controller: Controller, above: Sequence[UpstreamBuild]) -> tuple[UpstreamBuild, ...]:
    """The builds above with the numbers that SEI knows them by."""
    if not above:
        return ()
    row, builds = controller.row(), controller.ledger.builds
    return tuple(
        replace(
            up,
            build_number=builds.sent_number(
                row.id, up.job, up.number, up.started, renumber=controller.renumber
            ),
        )
        for up in above
    )
