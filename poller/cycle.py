"""One poll cycle of one controller: discover → collect → map → record. Delivery follows by itself.

Nothing is sent here: what is recorded is in the outbox, and is sent from there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from poller import backoff
from poller.errors import RemoteError
from poller.globs import Globs
from poller.jenkins import discovery
from poller.jenkins.api import Api
from poller.jenkins.collect import Page, collect
from poller.jenkins.discovery import Item, Look
from poller.jenkins.model import Build, StageTree
from poller.ledger import BuildRow, BuildState, ControllerRow, Ledger
from poller.sei.limits import fit
from poller.sei.mapping import Identity, JobFacts, Policy, Skip, map_build
from poller.together import together
from poller.watermark import JobState

FIRST_RETRY, LONGEST_RETRY = 30.0, 900.0
"""Seconds before a job whose answer was bad is asked again."""

BROKEN_TRIES = 5
"""Collections after which a build that Jenkins can't load whole is skipped."""


@dataclass(frozen=True)
class Watched:
    """One controller with all that a cycle needs of it. ``since`` is epoch milliseconds."""

    name: str
    api: Api
    globs: Globs
    since: int
    identity: Identity
    policy: Policy
    parallel: int
    renumber: bool

    def job_facts(self, item: str, state: JobState, *, multibranch: bool) -> JobFacts:
        """What mapping needs of a job; one created anew goes on counting, or not, as configured."""
        return JobFacts(item, state.generation, state.base if self.renumber else 0, multibranch)


@dataclass
class Cycle:
    """What one cycle did. ``problems`` are one line each; ``error`` ended it early."""

    controller: str
    jobs: int = 0
    asked: int = 0
    collected: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    error: RemoteError | None = None

    @property
    def partial(self) -> bool:
        """Something of it has to be tried again."""
        return bool(self.problems) or self.error is not None


async def poll(
    watched: Watched,
    ledger: Ledger,
    sinks: Sequence[str],
    clock: Callable[[], int],
    *,
    on_collected: Callable[[int], None] = lambda _count: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Cycle:
    """One cycle. Never raises RemoteError: what failed is in the result and in the ledger."""
    row = ledger.controller(watched.name, watched.since)
    cycle = Cycle(watched.name)
    try:
        look, news = await _discover(watched, ledger, row, clock(), cycle)
    except RemoteError as error:
        cycle.error = error
        ledger.poll_failed(row.id, clock(), str(error))
        return cycle
    jobs = ledger.jobs(row.id)
    cycle.asked = len(news)
    turns = asyncio.Semaphore(watched.parallel)

    async def one(item: Item) -> None:
        async with turns:
            if stopping():
                return
            job = jobs.get(item.full_name, JobState(item.full_name))
            await _one_job(watched, ledger, row, item, job, sinks, clock, cycle, on_collected)

    await together(one(item) for item in news)
    problem = cycle.problems[0] if cycle.problems else None
    ledger.polled(row.id, clock(), depth=look.depth, jobs=cycle.jobs, error=problem)
    return cycle


async def _discover(
    watched: Watched, ledger: Ledger, row: ControllerRow, now: int, cycle: Cycle
) -> tuple[Look, list[Item]]:
    """The look, and the items to ask now."""
    first = row.depth is None
    look, running = await asyncio.gather(
        discovery.look(watched.api, row.depth, first=first), discovery.running(watched.api)
    )
    cycle.problems += look.unread
    if look.malformed:
        cycle.problems.append(
            f"controller {watched.name}: {look.malformed} items of wrong types left out"
        )
    items = [item for item in look.items.values() if watched.globs.selects(item.full_name)]
    cycle.jobs = len(items)
    if first:
        quiet = [item for item in items if quiet_since(item, row.since)]
        ledger.pass_over(row.id, ((i.full_name, i.cls, i.next_build_number) for i in quiet))
    jobs = ledger.jobs(row.id)
    return look, [item for item in items if wanted(item, jobs.get(item.full_name), running, now)]


def quiet_since(item: Item, since: int) -> bool:
    """Whether a first look shows that the job has no build since then: it costs no request."""
    return item.last_started is not None and item.last_started < since


def wanted(
    item: Item,
    job: JobState | None,
    running: frozenset[tuple[str, int]] | None,
    now: int,
) -> bool:
    """Whether to ask the job in this cycle."""
    if job is None:
        return item.next_build_number > 1
    if job.retry_at > now:
        return False
    return discovery.has_news(item, job.mark.next_build_number, job.mark.in_flight, running)


async def _one_job(
    watched: Watched,
    ledger: Ledger,
    row: ControllerRow,
    item: Item,
    job: JobState,
    sinks: Sequence[str],
    clock: Callable[[], int],
    cycle: Cycle,
    on_collected: Callable[[int], None],
) -> None:
    def known(state: JobState, numbers: Sequence[int]) -> set[tuple[int, int]]:
        return ledger.starts(state.id, numbers)

    retry_at = clock() + retry_delay(job.failures + 1)
    try:
        async for page in collect(watched.api, item, job, row.since, known):
            rows = list(page_rows(watched, item, page))
            failed = unfinished(page)
            cycle.problems += [f"controller {watched.name}: {why}" for why in failed]
            collected = ledger.record(
                row.id,
                page.job,
                item.cls,
                rows,
                examined=page.examined,
                next_build_number=page.next_build_number,
                sinks=sinks,
                at=clock(),
                retry_at=retry_at if failed else None,
            )
            cycle.collected += collected
            cycle.skipped += sum(build.state == "skipped" for build in rows)
            on_collected(collected)
    except RemoteError as error:
        cycle.problems.append(str(error))
        ledger.put_off(row.id, job, item.cls, retry_at)


def retry_delay(failures: int) -> int:
    """Milliseconds before a job that failed so often in a row is asked again."""
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    return int(
        1000 * backoff.delay(failures, first=FIRST_RETRY, longest=LONGEST_RETRY, jitter=jitter)
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


def page_rows(watched: Watched, item: Item, page: Page) -> Iterable[BuildRow]:
    """The ledger's rows of a page: complete builds mapped, of the others what is known."""
    job = watched.job_facts(item.full_name, page.job, multibranch=item.multibranch)
    for build, tree in page.complete:
        yield mapped(watched, job, build, tree)
    for build in page.running:
        yield BuildRow(build.number, build.timestamp, 0, None, "in_flight")
    for failure in page.failed:
        build = failure.build
        if given_up(page.job, failure.broken):
            yield _row(build, "skipped", reason="broken")
        else:
            yield _row(build, "in_flight")
    for number in page.gone:
        yield BuildRow(number, 0, 0, None, "skipped", "gone")


def mapped(watched: Watched, job: JobFacts, build: Build, tree: StageTree | None) -> BuildRow:
    """One complete build as a row with its payload, or skipped with the reason."""
    done = map_build(watched.identity, job, build, tree, watched.policy)
    if isinstance(done, Skip):
        return _row(build, "skipped", reason=done.reason)
    payload, left_out = fit(done.run, watched.policy.body_limit)
    if left_out is not None:
        structlog.get_logger().warning(
            "payload cut to its limit",
            controller=watched.name,
            job=job.full_name,
            number=build.number,
            left_out=left_out,
        )
    return BuildRow(
        build.number, build.timestamp, build.duration, build.result, "collected", None, payload
    )


def _row(build: Build, state: BuildState, reason: str | None = None) -> BuildRow:
    return BuildRow(
        build.number,
        build.timestamp,
        build.duration,
        build.result,
        state,
        reason,
    )
