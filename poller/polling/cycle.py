"""One poll cycle of one controller: discover → collect → map → record. Delivery follows by itself.

Nothing is sent here: what is recorded is in the outbox, and is sent from there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from poller.core.errors import NotFound, RemoteError
from poller.core.tasks import together
from poller.jenkins.discovery import Item, fetch_items
from poller.jenkins.running_builds import fetch_running
from poller.ledger import Ledger
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobState
from poller.polling.changes import (
    Changes,
    assume_running,
    changed_names,
    is_postponed,
    is_quiet,
    missing,
    retry_delay,
    should_ask,
    shrunk_since,
    started_builds,
)
from poller.polling.collect import LedgerMemory, collect
from poller.polling.controller import Controller
from poller.polling.recording import batch, unfinished
from poller.polling.verify_controller import ensure_reachable, record_breaker, verify_identity

GONE_TRIES = 5
"""Looks that don't show a job, some minutes in all, before its builds in flight are given up."""


@dataclass
class PollResult:
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
    watched: Controller,
    ledger: Ledger,
    sinks: Sequence[str],
    clock: Callable[[], int],
    *,
    on_collected: Callable[[int], None] = lambda _count: None,
    stopping: Callable[[], bool] = lambda: False,
) -> PollResult:
    """One cycle. Never raises RemoteError: what failed is in the result and in the ledger."""
    row = ledger.controllers.get(watched.name, watched.since)
    cycle = PollResult(watched.name)
    api = watched.api
    try:
        await ensure_reachable(watched, ledger, keep=True)
        news = await _discover(watched, ledger, row, clock(), cycle)
    except RemoteError as error:
        return _failed(watched, ledger, row, clock(), cycle, error)
    cycle.asked = len(news.items)
    turns = asyncio.Semaphore(watched.parallel)

    async def one(item: Item) -> None:
        async with turns:
            if stopping() or api.turns.left_alone:
                return
            job = news.jobs.get(item.full_name, JobState(item.full_name))
            retry_at = clock() + retry_delay(job.failures + 1)
            try:
                memory = LedgerMemory(ledger, row.id)
                pages = collect(watched, item, job, row.since, memory, news.lost)
                async for page in pages:
                    cycle.problems += [f"controller {watched.name}: {w}" for w in unfinished(page)]
                    rows = batch(watched, item, page, retry_at)
                    recorded = ledger.builds.record(row.id, rows, sinks, clock())
                    cycle.collected += recorded.collected
                    cycle.skipped += recorded.skipped
                    on_collected(recorded.collected)
                    if recorded.stale:
                        break
            except RemoteError as error:
                if api.turns.left_alone:
                    cycle.error = error  # the job is not to blame
                    return
                cycle.problems.append(str(error))
                ledger.jobs.put_off(row.id, job, item.cls, retry_at)

    await together(one(item) for item in news.items)
    if api.turns.left_alone:
        why = cycle.error or api.turns.refusal()
        return _failed(watched, ledger, row, clock(), cycle, why)
    record_breaker(watched, ledger)
    await give_up_missing(watched, ledger, row, news, clock, cycle)
    ledger.controllers.polled(
        row.id, clock(),
        depth=news.look.depth,
        jobs=cycle.jobs,
        error=cycle.problems[0] if cycle.problems else None,
        shrunk_at=news.shrunk_at,
    )  # fmt: skip
    return cycle


def _failed(
    watched: Controller,
    ledger: Ledger,
    row: ControllerRow,
    now: int,
    cycle: PollResult,
    error: RemoteError,
) -> PollResult:
    cycle.error = error
    ledger.controllers.poll_failed(row.id, now, str(error))
    record_breaker(watched, ledger)
    return cycle


async def _discover(
    watched: Controller, ledger: Ledger, row: ControllerRow, now: int, cycle: PollResult
) -> Changes:
    """Look at the controller, make sure that it is the one that is known, choose what to ask."""
    first = row.depth is None
    # One after the other: a controller that does not answer is asked for no more.
    look = await fetch_items(watched.api, row.depth, first=first)
    told = await fetch_running(watched.api)
    await verify_identity(watched, ledger, row)
    cycle.problems += look.unread.values()
    if look.malformed:
        cycle.problems.append(
            f"controller {watched.name}: {look.malformed} items of wrong types left out"
        )
    items = [item for item in look.items.values() if watched.globs.selects(item.full_name)]
    cycle.jobs = len(items)
    if first:
        quiet = [item for item in items if is_quiet(item, row.since)]
        ledger.jobs.pass_over(
            row.id, ((i.full_name, i.cls, i.next_build_number, i.last) for i in quiet)
        )
    shrunk_at = shrunk_since(len(items), row, now)
    if shrunk_at is not None:
        cycle.problems.insert(
            0,
            f"controller {watched.name}: {len(items)} jobs where {row.jobs} were: is the list"
            " whole, and does the user still see them all? None is held for deleted",
        )
    at_rest = ledger.jobs.idle(row.id)
    stirring = [item for item in items if at_rest.get(item.full_name) != item.next_build_number]
    names = {*(item.full_name for item in stirring), *changed_names(at_rest, look)}
    jobs = ledger.jobs.active(row.id, names)
    lost = missing(jobs.values(), look) if shrunk_at is None else {}
    running = assume_running(told, jobs.values(), random.random())  # noqa: S311
    chosen, begun = [], []
    for item in stirring:
        job = jobs.get(item.full_name)
        if should_ask(item, job, running, now):
            chosen.append(item)
        elif job is not None and running:
            starts = started_builds(item, job.progress, running, row.since)
            begun += [(job, start) for start in starts]
    if begun:
        ledger.builds.record_running(begun)
    return Changes(look, chosen, jobs, lost, shrunk_at)


async def give_up_missing(
    watched: Controller,
    ledger: Ledger,
    row: ControllerRow,
    news: Changes,
    clock: Callable[[], int],
    cycle: PollResult,
) -> None:
    """Jobs that are not there: they are looked at anew when they are back. Their builds in flight
    are given up when they stay away and Jenkins says that the build is not there either; a job that
    was renamed has taken its own along."""
    missing = [job for job in news.lost.values() if job.full_name not in news.look.items]
    if newly := [job.id for job in missing if not job.missing]:
        ledger.jobs.note_missing(newly)
    with_builds = [job.full_name for job in missing if job.progress.in_flight]
    if not with_builds:
        return
    jobs = ledger.jobs.states(row.id)
    for name in with_builds:
        job = jobs[name]
        if not job.progress.in_flight or is_postponed(job, clock()):
            continue
        ledger.jobs.put_off(row.id, job, job.cls, clock() + retry_delay(job.failures + 1))
        if job.failures + 1 < GONE_TRIES:
            continue
        try:
            await watched.api.start(name, min(job.progress.in_flight))
        except NotFound:
            cycle.skipped += ledger.jobs.give_up_in_flight(job)
        except RemoteError as error:
            cycle.problems.append(str(error))
