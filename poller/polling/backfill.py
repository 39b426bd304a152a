"""A bounded walk through history: the same collect, map, record as a poll, for builds of before.

It does not touch the progress of the polls, so both can run side by side: what one of them has
recorded the other finds in the ledger. Within a job it goes from the oldest build to the newest,
as log rotation takes the oldest first, and runs arrive at SEI in the order in which they were
built.
"""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field
from functools import partial

from poller.core.errors import ForeignSession, NotFound, RemoteError
from poller.core.patterns import Globs
from poller.core.tasks import together
from poller.core.times import Stopping
from poller.jenkins.history import summaries
from poller.jenkins.item import Item, ItemTree
from poller.ledger import Ledger
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobState
from poller.polling.collect import CollectPlan, make_plan, pages
from poller.polling.controller import Controller
from poller.polling.history import Scope
from poller.polling.recording import record, unfinished
from poller.polling.verify_controller import ensure_reachable, verified_items


@dataclass(frozen=True)
class Window:
    """Builds that started at or after ``since`` and before ``until`` (epoch ms)."""

    since: int
    until: int


@dataclass
class BackfillResult:
    """What a backfill of one controller did. ``done`` of the ``jobs`` need nothing more;
    ``problems`` are one line each."""

    controller: str
    jobs: int = 0
    done: int = 0
    collected: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class Estimate:
    """What a backfill would be: ``builds`` of ``jobs`` that are not in the ledger yet."""

    controller: str
    jobs: int = 0
    builds: int = 0
    problems: list[str] = field(default_factory=list)


async def backfill(
    controller: Controller, window: Window, globs: Globs, stopping: Stopping = lambda: False
) -> BackfillResult:
    """Collect what is missing of a window. A job that is done is remembered, so that a backfill
    that was stopped goes on where it was. Raises RemoteError where the item tree can't be had."""
    row, limiter, events = controller.row(), controller.client.limiter, controller.events
    await ensure_reachable(controller)
    items = _chosen(controller, await verified_items(controller, row), globs)
    done = BackfillResult(controller.name, len(items))
    events.builds_to_check(controller.name, sum(item.next_build_number - 1 for item in items))
    at_once = asyncio.Semaphore(controller.max_connections)
    foreign: list[RemoteError] = []

    async def one(item: Item) -> None:
        async with at_once:
            if stopping() or limiter.circuit_open or foreign:
                return
            try:
                work = partial(_job, controller, row, item, window, done, stopping)
                await controller.ledger.until_free(work)
            except NotFound:
                done.done += 1  # deleted since the tree was asked
            except ForeignSession as error:
                foreign.append(error)
            except RemoteError as error:
                done.problems.append(str(error))
            events.builds_checked(controller.name, item.next_build_number - 1)

    await together(one(item) for item in items)
    if limiter.circuit_open or foreign:
        why = foreign[0] if foreign else limiter.circuit_open_error()
        rest = f"{len(items) - done.done} of {len(items)} jobs are not done: run it again"
        done.problems.append(f"{why}: {rest}")
    return done


async def estimate(controller: Controller, window: Window, globs: Globs) -> Estimate:
    """What the same backfill would collect. Asks each job for its numbers alone."""
    ledger = controller.ledger
    row = ledger.controllers.find(controller.name)
    known = row or ControllerRow(0, controller.since, None)
    found = Estimate(controller.name)
    jobs = ledger.jobs.states(known.id)
    await ensure_reachable(controller)
    tree = await controller.items(known.depth, first=False)
    items = _chosen(controller, tree, globs)
    at_once = asyncio.Semaphore(controller.max_connections)

    async def one(item: Item) -> None:
        job = jobs.get(item.full_name, JobState(item.full_name))
        rest = left(window, _backfilled(ledger, job))
        if rest is None:
            return
        async with at_once:
            if controller.client.limiter.circuit_open:
                return
            try:
                builds = await _count(controller, known, item, job, rest)
            except RemoteError as error:
                found.problems.append(str(error))
                return
        found.jobs += bool(builds)
        found.builds += builds

    await together(one(item) for item in items)
    return found


def _chosen(controller: Controller, tree: ItemTree, globs: Globs) -> list[Item]:
    return [
        item
        for item in tree.items.values()
        if controller.globs.selects(item.full_name)
        and globs.selects(item.full_name)
        and item.next_build_number > 1
    ]


async def _job(
    controller: Controller,
    row: ControllerRow,
    item: Item,
    window: Window,
    done: BackfillResult,
    stopping: Stopping,
) -> None:
    name, ledger = item.full_name, controller.ledger
    job = ledger.jobs.states(row.id, name).get(name, JobState(name))
    before = _backfilled(ledger, job)
    rest = left(window, before)
    if rest is None:
        done.done += 1
        return
    planned = await _plan(controller, row, item, job, rest)
    # Where it turns out that the job is another one now, only a part of it was planned.
    complete, runs_since = not is_new_history(planned, job), rest.until
    async for _, page in pages(controller, item, planned, Scope(row, rest.since)):
        recorded = record(controller, item, page, row)
        done.collected += recorded.collected
        done.skipped += recorded.skipped
        done.problems += [f"controller {controller.name}: {why}" for why in unfinished(page)]
        complete = complete and not unfinished(page)
        runs_since = min([runs_since, *(build.timestamp for build in page.running)])
        if stopping() or recorded.stale:
            return
    if complete:
        seen = together_with(Window(rest.since, runs_since), before)
        job = ledger.jobs.states(row.id, name)[name]
        ledger.reconciliation.record_backfill(job, seen.since, seen.until)
        done.done += 1


def is_new_history(planned: CollectPlan, job: JobState) -> bool:
    """Whether the plan found the job created anew, restored, or renamed. Pure."""
    source = planned.history.source
    same = source is None or (source.job, source.generation) == (job.id, job.generation)
    return planned.job.generation != job.generation or not same


async def _plan(
    controller: Controller, row: ControllerRow, item: Item, job: JobState, window: Window
) -> CollectPlan:
    """All of the window that is not settled, whatever the progress of the polls says."""
    nothing = dataclasses.replace(job.progress, examined=0, in_flight=frozenset(), pending={})
    job = dataclasses.replace(job, progress=nothing)
    planned = await make_plan(controller, item, job, Scope(row, window.since))
    keys = planned.history.keys
    numbers = [n for n in planned.numbers if n not in keys or keys[n].timestamp < window.until]
    return dataclasses.replace(planned, numbers=numbers, gone=[], pending={})


async def _count(
    controller: Controller, row: ControllerRow, item: Item, job: JobState, window: Window
) -> int:
    """Builds of a job that would be collected."""
    found = await summaries(controller.client, item.full_name, window.since)
    due = {one.key for one in found if one.completed and one.timestamp < window.until}
    known = controller.ledger.builds.same(row.id, job, due)
    return len({key.number for key in due}.difference(o.key.number for o in known if o.settled))


def _backfilled(ledger: Ledger, job: JobState) -> Window | None:
    done = ledger.reconciliation.backfilled_window(job) if job.id else None
    return None if done is None else Window(*done)


def left(wanted: Window, done: Window | None) -> Window | None:
    """What of a window is still to do; None where nothing is. Only its beginning may be done: a
    gap in the middle is gone through again, and the ledger knows what it has. Pure."""
    if done is None or not done.since <= wanted.since < done.until:
        return wanted
    return Window(done.until, wanted.until) if done.until < wanted.until else None


def together_with(window: Window, done: Window | None) -> Window:
    """Both windows as one where they touch, else the new one. Pure."""
    if done is None or window.until < done.since or done.until < window.since:
        return window
    return Window(min(window.since, done.since), max(window.until, done.until))
