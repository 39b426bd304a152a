"""One poll cycle of one controller: discover → collect → map → record. Delivery follows by itself.

Nothing is sent here: what is recorded is in the outbox, and is sent from there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from poller import backoff
from poller.admit import admit, note_breaker
from poller.errors import NotFound, RemoteError
from poller.jenkins import discovery
from poller.jenkins.collect import LedgerMemory, collect
from poller.jenkins.discovery import Builds, Item, Look
from poller.ledger import ControllerRow, Ledger
from poller.recognise import recognise
from poller.recording import batch, unfinished
from poller.together import together
from poller.watched import Watched
from poller.watermark import JobState

FIRST_RETRY, LONGEST_RETRY = 30.0, 900.0
"""Seconds before a job whose answer was bad is asked again."""

SHRUNK_MS = 900_000
"""How long a list without most of the jobs of the one before is not believed."""

GONE_TRIES = 5
"""Looks that don't show a job, some minutes in all, before its builds in flight are given up."""


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


@dataclass(frozen=True)
class News:
    """What a look at a controller says: the items to ask now, the ``jobs`` of which something is
    awaited, and those that are not there.

    ``shrunk_at`` is since when most of the jobs are missing; nothing is held for lost then.
    """

    look: Look
    items: list[Item]
    jobs: Mapping[str, JobState]
    lost: Mapping[int, JobState]
    shrunk_at: int | None


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
    row = ledger.controllers.get(watched.name, watched.since)
    cycle = Cycle(watched.name)
    api = watched.api
    try:
        await admit(watched, ledger, keep=True)
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
    note_breaker(watched, ledger)
    await _look_after_lost(watched, ledger, row, news, clock, cycle)
    ledger.controllers.polled(
        row.id, clock(),
        depth=news.look.depth,
        jobs=cycle.jobs,
        error=cycle.problems[0] if cycle.problems else None,
        shrunk_at=news.shrunk_at,
    )  # fmt: skip
    return cycle


def _failed(
    watched: Watched, ledger: Ledger, row: ControllerRow, now: int, cycle: Cycle, error: RemoteError
) -> Cycle:
    cycle.error = error
    ledger.controllers.poll_failed(row.id, now, str(error))
    note_breaker(watched, ledger)
    return cycle


async def _discover(
    watched: Watched, ledger: Ledger, row: ControllerRow, now: int, cycle: Cycle
) -> News:
    """Look at the controller, make sure that it is the one that is known, choose what to ask."""
    first = row.depth is None
    # One after the other: a controller that does not answer is asked for no more.
    look = await discovery.look(watched.api, row.depth, first=first)
    told = await discovery.running(watched.api)
    await recognise(watched, ledger, row)
    cycle.problems += look.unread.values()
    if look.malformed:
        cycle.problems.append(
            f"controller {watched.name}: {look.malformed} items of wrong types left out"
        )
    items = [item for item in look.items.values() if watched.globs.selects(item.full_name)]
    cycle.jobs = len(items)
    if first:
        quiet = [item for item in items if quiet_since(item, row.since)]
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
    at_rest = ledger.jobs.at_rest(row.id)
    stirring = [item for item in items if at_rest.get(item.full_name) != item.next_build_number]
    names = {*(item.full_name for item in stirring), *discovery.unlike(at_rest, look)}
    jobs = ledger.jobs.stirring(row.id, names)
    lost = discovery.lost(jobs.values(), look) if shrunk_at is None else {}
    running = discovery.believed(told, jobs.values(), random.random())  # noqa: S311
    chosen, begun = [], []
    for item in stirring:
        job = jobs.get(item.full_name)
        if wanted(item, job, running, now):
            chosen.append(item)
        elif job is not None and running:
            starts = discovery.begun(item, job.mark, running, row.since)
            begun += [(job, start) for start in starts]
    if begun:
        ledger.builds.note_begun(begun)
    return News(look, chosen, jobs, lost, shrunk_at)


def shrunk_since(jobs: int, row: ControllerRow, now: int) -> int | None:
    """Since when most of a controller's jobs are missing; None when they are not, or have been for
    so long that it is to be believed."""
    if not discovery.has_shrunk(jobs, row.jobs):
        return None
    since = min(now, row.shrunk_at or now)
    return since if now - since < SHRUNK_MS else None


def quiet_since(item: Item, since: int) -> bool:
    """Whether a first look shows that the job has no build since then: it costs no request."""
    return item.last is not None and item.last.timestamp < since


def wanted(
    item: Item,
    job: JobState | None,
    running: Builds | None,
    now: int,
) -> bool:
    """Whether to ask the job in this cycle."""
    if job is None:
        return item.next_build_number > 1
    if put_off(job, now):
        return False
    if job.missing and item.next_build_number > 1:
        return True
    return discovery.has_news(item, job.mark, running)


def put_off(job: JobState, now: int) -> bool:
    """Whether a job is not to be asked yet. A clock that was set back puts nothing off."""
    return now < job.retry_at <= now + LONGEST_RETRY * 1000


async def _look_after_lost(
    watched: Watched,
    ledger: Ledger,
    row: ControllerRow,
    news: News,
    clock: Callable[[], int],
    cycle: Cycle,
) -> None:
    """Jobs that are not there: they are looked at anew when they are back. Their builds in flight
    are given up when they stay away and Jenkins says that the build is not there either; a job that
    was renamed has taken its own along."""
    missing = [job for job in news.lost.values() if job.full_name not in news.look.items]
    if newly := [job.id for job in missing if not job.missing]:
        ledger.jobs.note_missing(newly)
    with_builds = [job.full_name for job in missing if job.mark.in_flight]
    if not with_builds:
        return
    jobs = ledger.jobs.states(row.id)
    for name in with_builds:
        job = jobs[name]
        if not job.mark.in_flight or put_off(job, clock()):
            continue
        ledger.jobs.put_off(row.id, job, job.cls, clock() + retry_delay(job.failures + 1))
        if job.failures + 1 < GONE_TRIES:
            continue
        try:
            await watched.api.start(name, min(job.mark.in_flight))
        except NotFound:
            cycle.skipped += ledger.jobs.give_up_in_flight(job)
        except RemoteError as error:
            cycle.problems.append(str(error))


def retry_delay(failures: int) -> int:
    """Milliseconds before a job that failed so often in a row is asked again."""
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    return int(
        1000 * backoff.delay(failures, first=FIRST_RETRY, longest=LONGEST_RETRY, jitter=jitter)
    )
