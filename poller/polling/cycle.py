"""One poll cycle of one controller: discover → collect → map → record. Delivery follows by itself.

Nothing is sent here: what is recorded is in the outbox, and is sent from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

from poller.core.build_key import BuildKey
from poller.core.errors import ForeignSession, NotFound, RemoteError, is_away
from poller.core.tasks import together
from poller.core.times import Stopping
from poller.jenkins.item import Item
from poller.jenkins.running_builds import fetch_running
from poller.ledger.controllers import AnsweredPoll, ControllerRow
from poller.ledger.records import JobState
from poller.polling.changes import (
    Changes,
    assume_running,
    changed_names,
    excluded_jobs,
    is_postponed,
    is_quiet,
    missing_jobs,
    retry_delay,
    should_ask,
    shrunk_since,
    started_builds,
)
from poller.polling.collect import collect
from poller.polling.controller import Controller
from poller.polling.history import Scope
from poller.polling.recording import record, unfinished
from poller.polling.send_again import complete_later
from poller.polling.verify_controller import ensure_reachable, record_breaker, verified_items

GONE_TRIES = 5
"""Polls that don't show a job, some minutes in all, before its builds in flight are given up."""


@dataclass
class PollResult:
    """What one cycle did. ``problems`` are one line each; ``error`` ended it early. The questions
    about ``unanswered`` jobs found the controller away."""

    controller: str
    jobs: int = 0
    asked: int = 0
    collected: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    error: RemoteError | None = None
    unanswered: list[tuple[Item, RemoteError]] = field(default_factory=list)

    @property
    def partial(self) -> bool:
        """Something of it has to be tried again."""
        return bool(self.problems) or self.error is not None


async def poll(controller: Controller, stopping: Stopping = lambda: False) -> PollResult:
    """One cycle. Never raises RemoteError: what failed is in the result and in the ledger."""
    row, began = controller.row(), controller.clock()
    result = PollResult(controller.name)
    limiter = controller.client.limiter
    try:
        await ensure_reachable(controller, keep=True)
        changes = await _discover(controller, row, result)
    except RemoteError as error:
        return _failed(controller, row, result, error)
    result.asked = len(changes.items)
    at_once = asyncio.Semaphore(controller.max_connections)

    async def one(item: Item) -> None:
        async with at_once:
            if not (stopping() or limiter.circuit_open):
                await _collect(controller, row, item, changes, result)

    await together(one(item) for item in changes.items)
    if limiter.circuit_open or result.error is not None:
        return _failed(controller, row, result, result.error or limiter.circuit_open_error())
    for item, why in result.unanswered:  # others were answered after it
        _put_off(controller, row, item, changes, why, result)
    record_breaker(controller)
    await give_up_missing(controller, row, changes, result)
    with contextlib.suppress(RemoteError):  # the next poll says that the controller is away
        await complete_later(controller, row)
    problem = result.problems[0] if result.problems else None
    seen = AnsweredPoll(changes.tree.depth, result.jobs, problem, began, changes.shrunk_at)
    controller.ledger.controllers.polled(row.id, controller.clock(), seen)
    return result


async def _collect(
    controller: Controller, row: ControllerRow, item: Item, changes: Changes, result: PollResult
) -> None:
    """Collect and record what is due of one job."""
    job = changes.jobs.get(item.full_name, JobState(item.full_name))
    if job.missing:
        job = controller.ledger.jobs.reopen(job)
    scope = Scope(row, missing=changes.missing, running=changes.running)
    try:
        async for page in collect(controller, item, job, scope):
            result.problems += [f"controller {controller.name}: {w}" for w in unfinished(page)]
            recorded = record(controller, item, page, row)
            result.collected += recorded.collected
            result.skipped += recorded.skipped
            if recorded.stale:
                break
    except ForeignSession as error:
        result.error = error
    except RemoteError as error:
        if is_away(error):
            result.unanswered.append((item, error))  # where the controller is, no job is to blame
        else:
            _put_off(controller, row, item, changes, error, result)


def _put_off(
    controller: Controller,
    row: ControllerRow,
    item: Item,
    changes: Changes,
    error: RemoteError,
    result: PollResult,
) -> None:
    job = changes.jobs.get(item.full_name, JobState(item.full_name))
    result.problems.append(str(error))
    retry_at = controller.clock() + retry_delay(job.failures + 1)
    controller.ledger.jobs.put_off(row.id, job, item.cls, retry_at)


def _failed(
    controller: Controller, row: ControllerRow, result: PollResult, error: RemoteError
) -> PollResult:
    result.error = error
    controller.ledger.controllers.poll_failed(row.id, controller.clock(), str(error))
    record_breaker(controller)
    return result


async def _discover(controller: Controller, row: ControllerRow, result: PollResult) -> Changes:
    """Read the item tree, make sure that it is of the Jenkins that is known, choose what to ask."""
    ledger, now = controller.ledger, controller.clock()
    first = row.depth is None
    # One after the other: a controller that does not answer is asked for no more.
    tree = await verified_items(controller, row, first=first)
    answer = await fetch_running(controller.client)
    result.problems += tree.unread.values()
    if tree.malformed:
        result.problems.append(
            f"controller {controller.name}: {tree.malformed} items of wrong types left out"
        )
    items = [item for item in tree.items.values() if controller.globs.selects(item.full_name)]
    result.jobs = len(items)
    if first:
        quiet = [item for item in items if is_quiet(item, row.since)]
        ledger.jobs.pass_over(
            row.id,
            (
                (
                    i.full_name,
                    i.cls,
                    i.next_build_number,
                    max(i.newest or (), default=BuildKey(0, 0)),
                )
                for i in quiet
            ),
        )
    shrunk_at = shrunk_since(len(items), row, now)
    if shrunk_at is not None:
        result.problems.insert(
            0,
            f"controller {controller.name}: {len(items)} jobs where {row.jobs} were: is the list"
            " whole, and does the user still see them all? None is held for deleted",
        )
    idle = ledger.jobs.idle(row.id)
    active = [item for item in items if idle.get(item.full_name) != item.next_build_number]
    names = {*(item.full_name for item in active), *changed_names(idle, tree)}
    jobs = ledger.jobs.active(row.id, names)
    missing = missing_jobs(jobs.values(), tree) if shrunk_at is None else {}
    running = assume_running(answer, jobs.values(), random.random())  # noqa: S311
    chosen, started = [], []
    for item in active:
        job = jobs.get(item.full_name)
        if should_ask(item, job, running, now):
            chosen.append(item)
        elif job is not None and running:
            keys = started_builds(item, job.progress, running, row.since)
            started += [(job, key) for key in keys]
    if started:
        ledger.builds.record_running(started)
    if excluded := excluded_jobs(jobs.values(), controller.globs):
        result.skipped += ledger.jobs.close_excluded(excluded)
    return Changes(tree, chosen, jobs, missing, shrunk_at, answer.builds)


async def give_up_missing(
    controller: Controller, row: ControllerRow, changes: Changes, result: PollResult
) -> None:
    """Jobs that are not there: they are asked anew when they are back. Their builds in flight are
    given up when they stay away and Jenkins says that the build is not there either; a job that was
    renamed has taken its own along."""
    ledger, clock = controller.ledger, controller.clock
    gone = [job for job in changes.missing.values() if job.full_name not in changes.tree.items]
    if newly := [job.id for job in gone if not job.missing]:
        ledger.jobs.note_missing(newly)
    with_builds = [job.full_name for job in gone if job.progress.in_flight]
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
            await controller.client.build_key(name, min(job.progress.in_flight))
        except NotFound:
            result.skipped += ledger.jobs.give_up_in_flight(job)
        except RemoteError as error:
            result.problems.append(str(error))
