"""Jenkins against the ledger, build by build, whatever the progress of the polls."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from poller.core.errors import NotFound, RemoteError
from poller.core.patterns import Globs
from poller.core.times import Stopping
from poller.http.throttle import RateLimit
from poller.jenkins.discovery import Item
from poller.jenkins.history import Summary, summaries
from poller.ledger.reconciliation import LedgerEntry
from poller.ledger.records import GONE, JobState
from poller.polling.changes import retry_delay
from poller.polling.collect import collect
from poller.polling.controller import Controller
from poller.polling.recording import record, unfinished
from poller.polling.verify_controller import ensure_reachable, record_breaker, verify_identity

GRACE_MS = 120_000
"""Builds that ended so short before the last poll may not have been seen by it."""


@dataclass(frozen=True)
class Difference:
    """A build that Jenkins has completed and the ledger has not settled, or has with other values.

    ``differs`` says the latter. ``entry`` is the ledger's id of the build, None where it has none.
    """

    job: str
    number: int
    why: str
    differs: bool = False
    entry: int | None = None


@dataclass
class JobComparison:
    """One job compared: how many of its completed builds, how many of them are ``missing``.

    ``lowest_hole`` is the lowest number that has to be collected; ``differing`` are the ledger's
    ids of builds that differ at Jenkins; ``problem`` is why the job could not be compared.
    """

    item: Item
    builds: int = 0
    missing: int = 0
    lowest_hole: int | None = None
    differing: list[int] = field(default_factory=list)
    problem: str | None = None

    def note(self, difference: Difference) -> None:
        """Count a difference."""
        if difference.differs and difference.entry is not None:
            self.differing.append(difference.entry)
            return
        self.missing += 1
        if not difference.why.startswith(QUEUED):
            self.lowest_hole = min(self.lowest_hole or difference.number, difference.number)


QUEUED = "queued for "


async def reconcile(
    controller: Controller,
    names: Callable[[dict[str, Item]], Sequence[str]],
    since: int | None,
    pace: RateLimit,
    on_difference: Callable[[Difference], None],
) -> AsyncIterator[JobComparison]:
    """Compare the jobs that ``names`` chooses out of the item tree, one after the other, no faster
    than ``pace``; differences are reported as they come, and not kept. ``since`` (epoch ms) None is
    where the controller's ledger begins. Raises RemoteError where the tree can't be had, or where
    the controller is down by now; that a job can't be had is in its :class:`JobComparison`."""
    row, ledger = controller.row(), controller.ledger
    since = row.since if since is None else since
    await ensure_reachable(controller)
    tree = await controller.items(row.depth, first=False)
    await verify_identity(controller, row)
    settled_before = (row.last_success or controller.clock()) - GRACE_MS
    for name in names(tree.items):
        item = tree.items.get(name)
        if item is None or item.next_build_number <= 1:
            continue
        jobs = ledger.jobs.states(row.id, name)
        job = jobs.get(name, JobState(name))
        comparison = JobComparison(item)
        try:
            await pace.wait()
            async for part in summaries(controller.client, item, since):
                done = [one for one in part if is_due(one, settled_before)]
                entries = ledger.reconciliation.entries(row.id, job, [one.key for one in done])
                comparison.builds += len(done)
                for difference in compared(name, done, entries):
                    comparison.note(difference)
                    on_difference(difference)
        except NotFound:
            continue  # deleted since the tree was asked
        except RemoteError as error:
            if controller.client.limiter.circuit_open:
                raise
            comparison.problem = str(error)
        else:
            if job.id:
                ledger.reconciliation.record_check(job.id, controller.clock())
        yield comparison


def is_due(build: Summary, settled_before: int) -> bool:
    """Whether the ledger has to have a build: it is completed, and was before the last poll."""
    return build.completed and build.timestamp + max(0, build.duration) <= settled_before


def selected(controller: Controller, globs: Globs) -> Callable[[dict[str, Item]], Sequence[str]]:
    """Chooses every job that both the controller's globs and ``globs`` select, by name."""
    return lambda items: sorted(
        name for name in items if controller.globs.selects(name) and globs.selects(name)
    )


def compared(
    job: str, builds: Iterable[Summary], entries: Iterable[LedgerEntry]
) -> list[Difference]:
    """What is not settled of completed builds, and what Jenkins says otherwise. Pure."""
    by_number = {entry.key.number: entry for entry in entries}
    differences = []
    for build in builds:
        entry = by_number.get(build.number)
        why, differs = _why(build, entry)
        if why:
            found = entry.id if entry is not None else None
            differences.append(Difference(job, build.number, why, differs, found))
    return differences


def _why(build: Summary, entry: LedgerEntry | None) -> tuple[str, bool]:
    if entry is None:
        return "not in the ledger", False
    if entry.state == "in_flight":
        return "in flight in the ledger", False
    if entry.state == "skipped":
        return ("taken for gone", False) if entry.reason == GONE else ("", False)
    if entry.queued:
        return QUEUED + ", ".join(entry.queued), False
    if (entry.result or "") != (build.result or ""):
        return f"result {build.result} at Jenkins, {entry.result} in the ledger", True
    if entry.duration != build.duration:
        return f"{build.duration} ms at Jenkins, {entry.duration} ms in the ledger", True
    return "", False


async def collect_missing(
    controller: Controller, comparison: JobComparison, since: int | None = None
) -> int:
    """Collect the holes of a job through the same path as a poll, with its progress set back before
    the lowest. ``since`` is as for :func:`reconcile`. Returns how many builds were collected.
    Raises RemoteError."""
    lowest = comparison.lowest_hole
    if lowest is None:
        return 0
    row, item, count = controller.row(), comparison.item, 0
    name = item.full_name
    job = controller.ledger.jobs.states(row.id, name).get(name, JobState(name))
    back = dataclasses.replace(job.progress, examined=min(job.progress.examined, lowest - 1))
    job = dataclasses.replace(job, progress=back)
    since = row.since if since is None else since
    async for page in collect(controller, row, item, job, since, {}):
        if page.job.generation == job.generation:
            # The job's own progress stays where the polls have brought it, and what they counted.
            page.examined, page.gaps = None, 0
        retry_at = controller.clock() + retry_delay(job.failures + 1)
        recorded = record(controller, row, item, page, retry_at)
        count += recorded.collected
        if unfinished(page) or recorded.stale:
            break
    return count


JOBS_A_SECOND = 1.0

SHOWN = 20
"""Differences that are reported one by one."""


@dataclass
class SelfCheckResult:
    """What was compared and found; ``collected`` builds were missing and are in the outbox now."""

    jobs: int = 0
    builds: int = 0
    collected: int = 0
    differences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def self_check(
    controller: Controller, jobs: int, stopping: Stopping = lambda: False
) -> SelfCheckResult:
    """Compare so many jobs, those first that had builds since they were compared last, and collect
    what is missing. Never raises RemoteError."""
    ledger = controller.ledger
    row = ledger.controllers.find(controller.name)
    done = SelfCheckResult()
    if row is None or row.last_success is None or controller.client.limiter.circuit_open:
        return done

    def names(items: dict[str, Item]) -> Sequence[str]:
        chosen = ledger.reconciliation.least_recently_checked(row.id, jobs, controller.clock())
        return [name for name in chosen if name in items and controller.globs.selects(name)]

    def found(difference: Difference) -> None:
        if len(done.differences) < SHOWN:
            done.differences.append(f"{difference.job} #{difference.number}: {difference.why}")

    pace = RateLimit(JOBS_A_SECOND, asyncio.get_running_loop().time)
    try:
        async for comparison in reconcile(controller, names, None, pace, found):
            done.jobs += 1
            done.builds += comparison.builds
            if comparison.problem is not None:
                done.problems.append(comparison.problem)
            done.collected += await collect_missing(controller, comparison)
            if stopping():
                break
    except RemoteError as error:
        done.problems.append(str(error))
    record_breaker(controller)
    return done
