"""Builds as they were collected → rows of the ledger: mapped, in flight, or skipped and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import structlog

from poller.core.build_key import BuildKey
from poller.core.kept_log import KeptLog
from poller.jenkins.build import Build
from poller.jenkins.discovery import Item
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import GONE, Batch, BuildRow, BuildState, JobState, RecordResult
from poller.mapping.evidence import EnrichedBuild
from poller.mapping.iacm_execution import NewExecution, NoExecution, encode, new_execution
from poller.mapping.map_build import map_build
from poller.mapping.names import JobInfo
from poller.mapping.rules import Skip
from poller.mapping.size_limit import limit_size
from poller.polling.collect import CollectedPage
from poller.polling.controller import Controller
from poller.polling.enrich import EnrichFailure

TRIES = 5
"""Collections, some minutes in all, after which a build goes as it is, or is skipped."""


def record(
    controller: Controller, row: ControllerRow, item: Item, page: CollectedPage, retry_at: int
) -> RecordResult:
    """Record a page in one transaction; see :func:`batch`. Raises LedgerError."""
    rows = batch(controller, item, page, retry_at)
    recorded = controller.ledger.builds.record(row.id, rows, controller.sinks, controller.clock())
    controller.events.builds_collected(controller.name, recorded.collected)
    for enriched in page.complete:
        tests = enriched.build.tests
        if tests is not None and enriched.build.number in recorded.numbers:
            counts = tests.total, tests.failed, tests.skipped
            controller.events.tests_counted(controller.name, *counts)
    return recorded


def batch(controller: Controller, item: Item, page: CollectedPage, retry_at: int) -> Batch:
    """What the ledger is to record of a page; ``retry_at`` is when to ask again for what is
    unfinished."""
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
    if not failure.broken and failure.fallback is None:
        return False
    return job.failures + 1 >= TRIES


def _rows(controller: Controller, item: Item, page: CollectedPage) -> Iterable[BuildRow]:
    job = controller.job_info(item.full_name, page.job, multibranch=item.multibranch)
    for enriched in page.complete:
        yield mapped(controller, job, enriched)
    for build in page.running:
        yield _row(build, "in_flight")
    for failure in page.failed:
        if not given_up(page.job, failure):
            yield _row(failure.build, "in_flight")
        elif failure.fallback is not None:
            yield mapped(controller, job, failure.fallback)
        else:
            yield _row(failure.build, "skipped", reason="broken")
    for number in page.gone:
        yield BuildRow(BuildKey(number, 0), 0, None, "skipped", GONE)


def mapped(controller: Controller, job: JobInfo, enriched: EnrichedBuild) -> BuildRow:
    """One complete build as a row with its payload, or skipped with the reason."""
    build = enriched.build
    done = map_build(controller.instance, job, enriched, controller.mapping)
    if isinstance(done, Skip):
        return _row(build, "skipped", reason=done.reason, log=enriched.log)
    log = structlog.get_logger().bind(
        controller=controller.name, job=job.full_name, number=build.number
    )
    known = {*controller.mapping.results, *done.settings.results}
    if done.settings.result is None and build.result not in known:
        log.warning("result_unknown", result=build.result, sent=done.run.result)
    for why in enriched.incomplete:
        log.warning("run_incomplete", detail=why)
    payload, left_out = limit_size(done.run, controller.mapping.body_limit)
    if left_out is not None:
        log.warning("payload_truncated", left_out=left_out)
    execution = new_execution(done.run, enriched.tree, done.settings)
    return dataclasses.replace(
        _row(build, "collected", log=enriched.log),
        payload=payload,
        build_number=done.run.build_number,
        incomplete=enriched.incomplete,
        execution=encode(execution) if isinstance(execution, NewExecution) else None,
        no_execution=execution.reason if isinstance(execution, NoExecution) else None,
    )


def _row(
    build: Build, state: BuildState, reason: str | None = None, log: KeptLog | None = None
) -> BuildRow:
    return BuildRow(build.key, build.duration, build.result, state, reason, log=log)
