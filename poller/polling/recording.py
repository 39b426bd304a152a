"""Builds as they were collected → rows of the ledger: mapped, in flight, or skipped and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import structlog

from poller.core.build_key import BuildKey
from poller.core.kept_log import KeptLog
from poller.jenkins.build import Build
from poller.jenkins.item import Item
from poller.jenkins.stage import PIPELINE_RUN
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import (
    BROKEN,
    GONE,
    UNREADABLE,
    Batch,
    BuildRow,
    BuildState,
    Incomplete,
    RecordResult,
)
from poller.mapping.evidence import EnrichedBuild
from poller.mapping.iacm_execution import NewExecution, NoExecution, encode, new_execution
from poller.mapping.map_build import map_build
from poller.mapping.names import JobInfo
from poller.mapping.rules import Skip
from poller.mapping.size_limit import limit_size
from poller.polling.collect import CollectedPage
from poller.polling.controller import Controller


def record(
    controller: Controller, item: Item, page: CollectedPage, row: ControllerRow
) -> RecordResult:
    """Record a page in one transaction; see :func:`batch`. Raises LedgerError."""
    rows = batch(controller, item, page)
    recorded = controller.ledger.builds.record(row.id, rows, controller.sinks, controller.clock())
    controller.events.builds_collected(controller.name, recorded.collected)
    for build in rows.builds:
        if build.incomplete is not None and build.key.number in recorded.numbers:
            for reason in build.incomplete.reasons:
                controller.events.went_without(controller.name, reason)
    for enriched in page.complete:
        tests = enriched.build.tests
        if tests is not None and enriched.build.number in recorded.numbers:
            counts = tests.total, tests.failed, tests.skipped
            controller.events.tests_counted(controller.name, *counts)
    for build in rows.builds:
        if build.failure is not None and build.key.number in recorded.numbers:
            if build.failure.cause is not None:
                controller.events.failure_explained(controller.name, build.failure.cause.category)
            for log in build.failure.logs:
                controller.events.step_log_kept(controller.name, log.source)
    return recorded


def batch(controller: Controller, item: Item, page: CollectedPage) -> Batch:
    """What the ledger is to record of a page."""
    return Batch(
        job=page.job,
        cls=item.cls,
        builds=list(_rows(controller, item, page)),
        examined=page.examined,
        gaps=page.gaps,
        source=page.source,
        pending=page.pending,
        resolved=page.resolved,
    )


NO_PROBLEM = frozenset({"preliminary", "unfinished"})
"""Builds that are asked for again though nothing is wrong."""


def unfinished(page: CollectedPage) -> list[str]:
    """What of a page is wrong and has to be asked for again, one line each."""
    return [
        f"{page.job.full_name} #{number}: {pending.why}"
        for number, pending in sorted(page.pending.items())
        if pending.kind not in NO_PROBLEM
    ]


def _rows(controller: Controller, item: Item, page: CollectedPage) -> Iterable[BuildRow]:
    job = controller.job_info(item.full_name, page.job, multibranch=item.multibranch)
    for enriched in page.complete:
        yield mapped(controller, job, enriched)
    for build in page.running:
        yield _row(build, "in_flight")
    for failure in page.failed:
        if failure.build.number in page.pending:
            yield _row(failure.build, "in_flight")
        elif failure.fallback is not None:
            yield mapped(controller, job, failure.fallback)
        else:
            yield _row(failure.build, "skipped", reason=BROKEN)
    for number in page.unreadable:
        yield BuildRow(BuildKey(number, 0), 0, None, "skipped", UNREADABLE)
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
    for lack in enriched.incomplete:
        log.warning("run_incomplete", reason=lack.reason, detail=lack.why)
    payload, left_out = limit_size(done.run, controller.mapping.body_limit)
    if left_out is not None:
        log.warning("payload_truncated", left_out=left_out)
    tree = enriched.tree
    execution = new_execution(done.run, tree, done.settings)
    nested = tree is not None and left_out is None and any(one.depth for one in tree.stages)
    return dataclasses.replace(
        _row(build, "collected", log=enriched.log),
        failure=enriched.failure,
        payload=payload,
        build_number=done.run.build_number,
        incomplete=lacks(enriched),
        execution=encode(execution) if isinstance(execution, NewExecution) else None,
        no_execution=execution.reason if isinstance(execution, NoExecution) else None,
        has_tree=tree is not None if build.cls == PIPELINE_RUN else None,
        depths=" ".join(str(one.depth) for one in tree.stages) if tree and nested else None,
    )


def lacks(enriched: EnrichedBuild) -> Incomplete | None:
    """What a run goes without, None for a complete one."""
    if not enriched.incomplete:
        return None
    reasons = dict.fromkeys(lack.reason for lack in enriched.incomplete)
    return Incomplete(tuple(reasons), tuple(lack.why for lack in enriched.incomplete))


def _row(
    build: Build, state: BuildState, reason: str | None = None, log: KeptLog | None = None
) -> BuildRow:
    return BuildRow(build.key, build.duration, build.result, state, reason, log=log)
