"""What the program compares by itself, a few jobs now and then, and collects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from poller.core.errors import RemoteError
from poller.core.times import DAY_MS, Stopping
from poller.http.throttle import RateLimit
from poller.jenkins.item import Item
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobState
from poller.polling.controller import Controller
from poller.polling.reconciliation import Difference, collect_missing, reconcile
from poller.polling.verify_controller import record_breaker

FEW_JOBS = 10_000
"""Of a controller whose jobs are asked for their newest builds at each self-check; of one with more
it is once a day, as Jenkins has to load them, some 0.75 ms a job (measured)."""

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


def is_self_check_due(controller: Controller, every: int) -> bool:
    """Whether a program that runs now and then is to do its share: once in ``every`` milliseconds.
    The first time is so long after the first poll."""
    ledger, now = controller.ledger, controller.clock()
    row = ledger.controllers.find(controller.name)
    if row is None or row.last_success is None:
        return False
    if row.self_checked_at is None:
        ledger.controllers.self_checked(row.id, now)
        return False
    return not row.self_checked_at <= now < row.self_checked_at + every


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

    now = controller.clock()

    def names(items: dict[str, Item]) -> Sequence[str]:
        known = ledger.reconciliation.least_recently_checked(row.id, now)
        order = dict.fromkeys([*anew, *sorted(items.keys() - set(known)), *known])
        there = (name for name in order if name in items and controller.globs.selects(name))
        built = (name for name in there if items[name].next_build_number > 1)
        return list(islice(built, max(jobs, len(anew))))

    def found(difference: Difference) -> None:
        if len(done.differences) < SHOWN:
            done.differences.append(f"{difference.job} #{difference.number}: {difference.why}")

    pace = RateLimit(JOBS_A_SECOND, asyncio.get_running_loop().time)
    try:
        anew = await _created_anew(controller, row)
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
    ledger.controllers.self_checked(row.id, now)
    record_breaker(controller)
    return done


async def _created_anew(controller: Controller, row: ControllerRow) -> list[str]:
    """The jobs whose newest build is another one than is known, by name: created anew up to the
    very same number, which no counter shows. One request. Raises RemoteError."""
    now = controller.clock()
    ago = now - (row.newest_checked_at or 0)
    if row.jobs > FEW_JOBS and 0 <= ago < DAY_MS:
        return []
    tree = await controller.items(row.depth, first=True)
    controller.ledger.controllers.newest_checked(row.id, now)
    return another_newest(tree.items, controller.ledger.jobs.states(row.id))


def another_newest(items: Mapping[str, Item], jobs: Mapping[str, JobState]) -> list[str]:
    """The jobs whose newest builds have another start than the ledger knows. Pure."""
    found = []
    for name, job in jobs.items():
        item, known = items.get(name), job.progress.newest
        if item is None or known is None:
            continue
        if any(
            build.number == known.number and build.differs(known) for build in item.newest or ()
        ):
            found.append(name)
    return found
