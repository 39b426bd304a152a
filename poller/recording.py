"""Builds as they were collected → rows of the ledger: mapped, in flight, or skipped and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import structlog

from poller.jenkins.collect import Page
from poller.jenkins.discovery import Item
from poller.jenkins.model import Build
from poller.jenkins.whole import Whole
from poller.ledger import Batch, BuildRow, BuildState
from poller.ledger.builds import GONE
from poller.sei.limits import fit
from poller.sei.mapping import JobFacts, Skip, job_run
from poller.watched import Watched
from poller.watermark import JobState, Start

BROKEN_TRIES = 5
"""Collections after which a build that Jenkins can't load whole is skipped."""


def batch(watched: Watched, item: Item, page: Page, retry_at: int) -> Batch:
    """What the ledger is to record of a page; ``retry_at`` is when to ask again for what could not
    be had whole."""
    return Batch(
        job=page.job,
        cls=item.cls,
        builds=list(_rows(watched, item, page)),
        examined=page.examined,
        gaps=page.gaps,
        source=page.source,
        retry_at=retry_at if unfinished(page) else None,
    )


def unfinished(page: Page) -> list[str]:
    """What of a page has to be asked for again, one line each."""
    return [
        f"{page.job.full_name} #{failure.build.number}: {failure.why}"
        for failure in page.failed
        if not given_up(page.job, failure.broken)
    ]


def given_up(job: JobState, broken: bool) -> bool:
    """Whether a build that Jenkins can't load whole is skipped now: it was tried often enough."""
    return broken and job.failures + 1 >= BROKEN_TRIES


def _rows(watched: Watched, item: Item, page: Page) -> Iterable[BuildRow]:
    job = watched.job_facts(item.full_name, page.job, multibranch=item.multibranch)
    for whole in page.complete:
        yield mapped(watched, job, whole)
    for build in page.running:
        yield _row(build, "in_flight")
    for failure in page.failed:
        if given_up(page.job, failure.broken):
            yield _row(failure.build, "skipped", reason="broken")
        else:
            yield _row(failure.build, "in_flight")
    for number in page.gone:
        yield BuildRow(Start(number, 0), 0, None, "skipped", GONE)


def mapped(watched: Watched, job: JobFacts, whole: Whole) -> BuildRow:
    """One complete build as a row with its payload, or skipped with the reason."""
    build = whole.build
    run = job_run(watched.identity, job, build, whole.tree, watched.policy)
    if isinstance(run, Skip):
        return _row(build, "skipped", reason=run.reason)
    payload, left_out = fit(run, watched.policy.body_limit)
    if left_out is not None:
        structlog.get_logger().warning(
            "payload cut to its limit",
            controller=watched.name,
            job=job.full_name,
            number=build.number,
            left_out=left_out,
        )
    row = _row(build, "collected")
    return dataclasses.replace(row, payload=payload, build_number=job.base + build.number)


def _row(build: Build, state: BuildState, reason: str | None = None) -> BuildRow:
    return BuildRow(build.start, build.duration, build.result, state, reason)
