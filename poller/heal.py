"""A small part of `reconcile` that the service does by itself, so that a hole heals unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from poller.admit import note_breaker
from poller.errors import RemoteError
from poller.jenkins.discovery import Item
from poller.ledger import Ledger
from poller.rate import Pace
from poller.reconcile import Finding, fill, reconcile
from poller.watched import Watched

JOBS_A_SECOND = 1.0

TOLD = 20
"""Findings that are told one by one."""


@dataclass
class Healed:
    """What was compared and found; ``collected`` builds were missing and are in the outbox now."""

    jobs: int = 0
    builds: int = 0
    collected: int = 0
    findings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def heal(
    watched: Watched,
    ledger: Ledger,
    jobs: int,
    sinks: Sequence[str],
    clock: Callable[[], int],
    stopping: Callable[[], bool] = lambda: False,
) -> Healed:
    """Compare so many jobs, those first that had builds since they were compared last, and collect
    what is missing. Never raises RemoteError."""
    row = ledger.controllers.find(watched.name)
    healed = Healed()
    if row is None or row.last_success is None or watched.api.turns.left_alone:
        return healed

    def names(items: dict[str, Item]) -> Sequence[str]:
        chosen = ledger.books.least_checked(row.id, jobs, clock())
        return [name for name in chosen if name in items and watched.globs.selects(name)]

    def found(finding: Finding) -> None:
        if len(healed.findings) < TOLD:
            healed.findings.append(f"{finding.job} #{finding.number}: {finding.why}")

    pace = Pace(JOBS_A_SECOND, asyncio.get_running_loop().time)
    try:
        async for checked in reconcile(watched, ledger, row, names, row.since, pace, clock, found):
            healed.jobs += 1
            healed.builds += checked.builds
            if checked.problem is not None:
                healed.problems.append(checked.problem)
            healed.collected += await fill(watched, ledger, row, checked, row.since, sinks, clock)
            if stopping():
                break
    except RemoteError as error:
        healed.problems.append(str(error))
    note_breaker(watched, ledger)
    return healed
