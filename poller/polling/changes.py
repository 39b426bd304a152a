"""What changed since the last poll, and which jobs are asked. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from poller.core.build_key import BuildKey
from poller.core.patterns import Globs
from poller.core.times import backoff, is_before
from poller.jenkins.item import Item, ItemTree
from poller.jenkins.running_builds import RunningAnswer, RunningBuilds
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobProgress, JobState
from poller.polling.pending import waiting

FIRST_RETRY, LONGEST_RETRY = 30.0, 900.0
"""Seconds before a job whose answer was bad is asked again."""

SHRUNK_MS = 900_000
"""How long a list without most of the jobs of the one before is not believed."""


@dataclass(frozen=True)
class Changes:
    """What the item ``tree`` says: the items to ask now, the ``jobs`` that are active, and those
    that are not there as they were.

    ``shrunk_at`` is since when most of the jobs are missing; none is held for missing then.
    ``running`` are the builds that run, None where Jenkins does not say this time.
    """

    tree: ItemTree
    items: list[Item]
    jobs: Mapping[str, JobState]
    missing: Mapping[int, JobState]
    shrunk_at: int | None
    running: RunningBuilds | None


def shrunk_since(jobs: int, row: ControllerRow, now: int) -> int | None:
    """Since when most of a controller's jobs are missing; None when they are not, or have been for
    so long that it is to be believed."""
    if not has_shrunk(jobs, row.jobs):
        return None
    since = min(now, row.shrunk_at or now)
    return since if now - since < SHRUNK_MS else None


def is_quiet(item: Item, since: int) -> bool:
    """Whether the first poll shows that the job has no build since then: it costs no request. The
    clock of one build may have been wrong, so that its newest ones have to agree."""
    return item.newest is not None and all(
        is_before(build.timestamp, since) for build in item.newest
    )


def should_ask(
    item: Item,
    job: JobState | None,
    running: RunningBuilds | None,
    now: int,
) -> bool:
    """Whether to ask the job in this cycle."""
    if job is None:
        return item.next_build_number > 1
    if is_postponed(job, now):
        return False
    if job.missing and item.next_build_number > 1:
        return True
    return needs_collecting(item, job.progress, running, now)


def is_postponed(job: JobState, now: int) -> bool:
    """Whether a job is not to be asked yet. A clock that was set back puts nothing off."""
    return now < job.retry_at <= now + LONGEST_RETRY * 1000


def retry_delay(failures: int) -> int:
    """Milliseconds before a job that failed so often in a row is asked again."""
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    return int(1000 * backoff(failures, first=FIRST_RETRY, longest=LONGEST_RETRY, jitter=jitter))


FEW = 10
"""Jobs of a controller below which a list that shrank says nothing."""


def assume_running(
    answer: RunningAnswer, jobs: Iterable[JobState], chance: float
) -> RunningBuilds | None:
    """The builds that are held to run: where Jenkins did not say this time, all those in flight
    but those of one job, so that a fault does not cost one request for each. ``chance`` in [0, 1)
    says of which."""
    if not answer.temporary:
        return answer.builds
    in_flight = [job for job in jobs if job.progress.in_flight]
    left_out = int(chance * len(in_flight))
    return {
        (job.full_name.lower(), number): BuildKey(number, 0)
        for place, job in enumerate(in_flight)
        if place != left_out
        for number in job.progress.in_flight
    }


def needs_collecting(
    item: Item, progress: JobProgress, running_now: RunningBuilds | None, now: int
) -> bool:
    """Whether to ask the job: a build in flight is not among those that run, one is due to be asked
    for again, or its counter moved by others than builds that run. Those are asked for when the
    first of them ends."""
    waits = waiting(progress.pending, now)
    if progress.pending.keys() - waits:
        return True
    in_flight = progress.in_flight - waits
    name = item.full_name.lower()
    new: Collection[int] = ()
    if item.next_build_number - 1 not in waits:
        if progress.next_build_number is None:
            return True
        new = range(progress.next_build_number, item.next_build_number)
        lost = progress.newest is not None and progress.newest.number in waits
        if item.next_build_number < progress.next_build_number and not lost:
            return True
    if running_now is None:
        return bool(new or in_flight)
    return any((name, number) not in running_now for number in in_flight) or any(
        (name, number) not in running_now or not running_now[name, number].queue_id
        for number in new
    )


def started_builds(
    item: Item, progress: JobProgress, running_now: RunningBuilds, since: int
) -> list[BuildKey]:
    """The keys of the builds that began since the job's last collection and run now, as far as they
    are ours and not known to be in flight. ``since`` is epoch milliseconds."""
    new = range(progress.next_build_number or item.next_build_number, item.next_build_number)
    if len(new) > len(running_now):
        return []  # a counter that was set: more numbers than builds
    name = item.full_name.lower()
    keys = (running_now.get((name, number)) for number in new if number not in progress.in_flight)
    return [key for key in keys if key and key.queue_id and key.timestamp >= since]


def changed_names(idle: Mapping[str, int], tree: ItemTree) -> list[str]:
    """The jobs, by full name, that the item tree does not show with this ``nextBuildNumber``."""
    shown = tree.items
    return [
        name
        for name, number in idle.items()
        if (item := shown.get(name)) is None or item.next_build_number != number
    ]


def excluded_jobs(jobs: Iterable[JobState], globs: Globs) -> list[JobState]:
    """The jobs that the config no longer selects, and of which something is awaited."""
    return [
        job
        for job in jobs
        if (job.progress.in_flight or job.progress.pending) and not globs.selects(job.full_name)
    ]


def missing_jobs(jobs: Iterable[JobState], tree: ItemTree) -> dict[int, JobState]:
    """The jobs, by id, that the item tree no longer shows as they were: not at all, or with a
    counter that went back. What lies in a folder that could not be read proves nothing."""
    return {
        job.id: job
        for job in jobs
        if _is_missing(job.progress.next_build_number, tree.items.get(job.full_name))
        and not any(
            job.full_name.startswith(f"{folder}/" if folder else "") for folder in tree.unread
        )
    }


def _is_missing(next_build_number: int | None, item: Item | None) -> bool:
    """None is a job that waits to be asked again: whether it is there counts, not its counter."""
    return item is None or (
        next_build_number is not None and item.next_build_number < next_build_number
    )


def has_shrunk(jobs: int, before: int) -> bool:
    """Whether an item tree shows so few of the jobs of the one before that it is not to be believed
    at once: half a list, an empty one, or one cut down by a permission that was taken away."""
    return before >= FEW and jobs < before / 2
