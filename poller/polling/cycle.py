"""One poll cycle of one controller: discover → collect → map → record. Delivery follows by itself.

Nothing is sent here: what is recorded is in the outbox, and is sent from there.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from poller.core.errors import NotFound, RemoteError
from poller.core.tasks import together
from poller.core.times import Stopping
from poller.jenkins.discovery import Item, fetch_items
from poller.jenkins.running_builds import fetch_running
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
from poller.polling.collect import collect
from poller.polling.controller import Controller
from poller.polling.recording import record, unfinished
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


async def poll(controller: Controller, stopping: Stopping = lambda: False) -> PollResult:
    """One cycle. Never raises RemoteError: what failed is in the result and in the ledger."""
    row = controller.row()
    result = PollResult(controller.name)
    limiter = controller.client.turns
    try:
        await ensure_reachable(controller, keep=True)
        changes = await _discover(controller, row, result)
    except RemoteError as error:
        return _failed(controller, row, result, error)
    result.asked = len(changes.items)
    at_once = asyncio.Semaphore(controller.max_connections)

    async def one(item: Item) -> None:
        async with at_once:
            if not (stopping() or limiter.left_alone):
                await _collect(controller, row, item, changes, result)

    await together(one(item) for item in changes.items)
    if limiter.left_alone:
        return _failed(controller, row, result, result.error or limiter.refusal())
    record_breaker(controller)
    await give_up_missing(controller, row, changes, result)
    controller.ledger.controllers.polled(
        row.id, controller.clock(),
        depth=changes.look.depth,
        jobs=result.jobs,
        error=result.problems[0] if result.problems else None,
        shrunk_at=changes.shrunk_at,
    )  # fmt: skip
    return result


async def _collect(
    controller: Controller, row: ControllerRow, item: Item, changes: Changes, result: PollResult
) -> None:
    """Collect and record what is due of one job."""
    job = changes.jobs.get(item.full_name, JobState(item.full_name))
    retry_at = controller.clock() + retry_delay(job.failures + 1)
    try:
        async for page in collect(controller, row, item, job, row.since, changes.lost):
            result.problems += [f"controller {controller.name}: {w}" for w in unfinished(page)]
            recorded = record(controller, row, item, page, retry_at)
            result.collected += recorded.collected
            result.skipped += recorded.skipped
            if recorded.stale:
                break
    except RemoteError as error:
        if controller.client.turns.left_alone:
            result.error = error  # the job is not to blame
            return
        result.problems.append(str(error))
        controller.ledger.jobs.put_off(row.id, job, item.cls, retry_at)


def _failed(
    controller: Controller, row: ControllerRow, result: PollResult, error: RemoteError
) -> PollResult:
    result.error = error
    controller.ledger.controllers.poll_failed(row.id, controller.clock(), str(error))
    record_breaker(controller)
    return result


async def _discover(controller: Controller, row: ControllerRow, cycle: PollResult) -> Changes:
    """Look at the controller, make sure that it is the one that is known, choose what to ask."""
    ledger, now = controller.ledger, controller.clock()
    first = row.depth is None
    # One after the other: a controller that does not answer is asked for no more.
    look = await fetch_items(controller.client, row.depth, first=first)
    told = await fetch_running(controller.client)
    await verify_identity(controller, row)
    cycle.problems += look.unread.values()
    if look.malformed:
        cycle.problems.append(
            f"controller {controller.name}: {look.malformed} items of wrong types left out"
        )
    items = [item for item in look.items.values() if controller.globs.selects(item.full_name)]
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
            f"controller {controller.name}: {len(items)} jobs where {row.jobs} were: is the list"
            " whole, and does the user still see them all? None is held for deleted",
        )
    at_rest = ledger.jobs.at_rest(row.id)
    stirring = [item for item in items if at_rest.get(item.full_name) != item.next_build_number]
    names = {*(item.full_name for item in stirring), *changed_names(at_rest, look)}
    jobs = ledger.jobs.stirring(row.id, names)
    lost = missing(jobs.values(), look) if shrunk_at is None else {}
    running = assume_running(told, jobs.values(), random.random())  # noqa: S311
    chosen, begun = [], []
    for item in stirring:
        job = jobs.get(item.full_name)
        if should_ask(item, job, running, now):
            chosen.append(item)
        elif job is not None and running:
            starts = started_builds(item, job.mark, running, row.since)
            begun += [(job, start) for start in starts]
    if begun:
        ledger.builds.note_begun(begun)
    return Changes(look, chosen, jobs, lost, shrunk_at)


async def give_up_missing(
    controller: Controller, row: ControllerRow, news: Changes, cycle: PollResult
) -> None:
    """Jobs that are not there: they are looked at anew when they are back. Their builds in flight
    are given up when they stay away and Jenkins says that the build is not there either; a job that
    was renamed has taken its own along."""
    ledger, clock = controller.ledger, controller.clock
    missing = [job for job in news.lost.values() if job.full_name not in news.look.items]
    if newly := [job.id for job in missing if not job.missing]:
        ledger.jobs.note_missing(newly)
    with_builds = [job.full_name for job in missing if job.mark.in_flight]
    if not with_builds:
        return
    jobs = ledger.jobs.states(row.id)
    for name in with_builds:
        job = jobs[name]
        if not job.mark.in_flight or is_postponed(job, clock()):
            continue
        ledger.jobs.put_off(row.id, job, job.cls, clock() + retry_delay(job.failures + 1))
        if job.failures + 1 < GONE_TRIES:
            continue
        try:
            await controller.client.start(name, min(job.mark.in_flight))
        except NotFound:
            cycle.skipped += ledger.jobs.give_up_in_flight(job)
        except RemoteError as error:
            cycle.problems.append(str(error))
