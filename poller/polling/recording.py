"""Builds as they were collected → rows of the ledger: mapped, in flight, or skipped and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import structlog

from poller.core.build_key import BuildKey
from poller.core.kept_log import KeptLog
from poller.jenkins.discovery import Item
from poller.jenkins.models import Build
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import GONE, Batch, BuildRow, BuildState, JobState, RecordResult
from poller.mapping.evidence import Evidence
from poller.mapping.extract import Extracted
from poller.mapping.iacm_execution import NewExecution, NoExecution, encode, new_execution
from poller.mapping.job_run import JobInfo, Skip, map_build
from poller.mapping.rules import first_match
from poller.mapping.size_limit import limit_size
from poller.polling.collect import CollectedPage
from poller.polling.controller import Controller
from poller.polling.enrich import EnrichedBuild, EnrichFailure

TRIES = 5
"""Collections, some minutes in all, after which a build goes as it is, or is skipped."""


def record(
    controller: Controller, row: ControllerRow, item: Item, page: CollectedPage, retry_at: int
) -> RecordResult:
    """Record a page in one transaction; see :func:`batch`. Raises LedgerError."""
    rows = batch(controller, item, page, retry_at)
    recorded = controller.ledger.builds.record(row.id, rows, controller.sinks, controller.clock())
    controller.events.builds_collected(controller.name, recorded.collected)
    return recorded


def batch(controller: Controller, item: Item, page: CollectedPage, retry_at: int) -> Batch:
    """What the ledger is to record of a page; ``retry_at`` is when to ask again for what could not
    be had whole."""
    return Batch(
        job=page.job,
        cls=item.cls,
        builds=list(_rows(controller, item, page)),
        examined=page.examined,
        gaps=page.gaps,
        source=page.source,
        retry_at=retry_at if unfinished(page) else None,
    )


def unfinished(page: CollectedPage) -> list[str]:
    """What of a page has to be asked for again, one line each."""
    return [
        f"{page.job.full_name} #{failure.build.number}: {failure.why}"
        for failure in page.failed
        if not given_up(page.job, failure)
    ]


def given_up(job: JobState, failure: EnrichFailure) -> bool:
    """Whether it was tried often enough: a build that Jenkins can't load whole is skipped now, one
    of which something is missing that a run can do without goes without."""
    if not failure.broken and failure.otherwise is None:
        return False
    return job.failures + 1 >= TRIES


def _rows(controller: Controller, item: Item, page: CollectedPage) -> Iterable[BuildRow]:
    job = controller.job_info(item.full_name, page.job, multibranch=item.multibranch)
    for whole in page.complete:
        yield mapped(controller, job, whole)
    for build in page.running:
        yield _row(build, "in_flight")
    for failure in page.failed:
        if not given_up(page.job, failure):
            yield _row(failure.build, "in_flight")
        elif failure.otherwise is not None:
            yield mapped(controller, job, failure.otherwise)
        else:
            yield _row(failure.build, "skipped", reason="broken")
    for number in page.gone:
        yield BuildRow(BuildKey(number, 0), 0, None, "skipped", GONE)


def mapped(controller: Controller, job: JobInfo, whole: EnrichedBuild) -> BuildRow:
    """One complete build as a row with its payload, or skipped with the reason."""
    build = whole.build
    kept = whole.log.kept if whole.log is not None else None
    done = map_build(
        controller.instance, job, build, whole.tree, controller.mapping, evidence_of(whole)
    )
    log = structlog.get_logger().bind(
        controller=controller.name, job=job.full_name, number=build.number
    )
    if isinstance(done, Skip):
        return _row(build, "skipped", reason=done.reason, log=kept)
    for why in whole.lacking:
        log.warning("run_incomplete", what=why)
    payload, left_out = limit_size(done.run, controller.mapping.body_limit)
    if left_out is not None:
        log.warning("payload_truncated", left_out=left_out)
    rule = first_match(controller.mapping.rules, job.full_name).rule
    made = new_execution(done.run, whole.tree, rule)
    return dataclasses.replace(
        _row(build, "collected", log=kept),
        payload=payload,
        build_number=job.base + build.number,
        lacking=whole.lacking,
        execution=encode(made) if isinstance(made, NewExecution) else None,
        no_execution=made.reason if isinstance(made, NoExecution) else None,
    )


def evidence_of(whole: EnrichedBuild) -> Evidence:
    """What was found out about a build, for mapping."""
    found = whole.log.extracted if whole.log is not None else Extracted()
    return Evidence(
        upstream=whole.upstream,
        manifests=whole.manifests,
        extracted_artifacts=found.artifacts,
        extracted_commits=found.commits,
        extracted_by=found.by,
    )


def _row(
    build: Build, state: BuildState, reason: str | None = None, log: KeptLog | None = None
) -> BuildRow:
    return BuildRow(build.start, build.duration, build.result, state, reason, log=log)
