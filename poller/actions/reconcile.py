"""Every controller compared with the ledger, and what is missing collected and delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from poller.context import AppContext
from poller.core.errors import RemoteError
from poller.core.patterns import Globs
from poller.delivery.flush import flush_all
from poller.http.throttle import RateLimit
from poller.polling.controller import Controller
from poller.polling.reconciliation import (
    Difference,
    JobComparison,
    collect_missing,
    reconcile,
    selected,
)
from poller.polling.send_again import send_again


@dataclass
class ReconcileResult:
    """What a comparison found; ``waiting`` counts the missing builds that are looked for again by
    themselves, ``repaired`` those collected or queued again."""

    checked: int = 0
    jobs: int = 0
    missing: int = 0
    waiting: int = 0
    differing: int = 0
    problems: list[str] = field(default_factory=list)
    errors: list[RemoteError] = field(default_factory=list)
    repaired: int = 0
    queued: int = 0
    repairing: bool = False

    @property
    def exit_code(self) -> int:
        """69: a controller did not answer. 1: a difference that was not repaired. 75: a job was not
        compared, or something is still queued after a repair. Else 0."""
        if self.errors:
            return 69
        if self.repairing:
            return 75 if self.problems or self.queued else 0
        if self.missing or self.differing:
            return 1
        return 75 if self.problems else 0


@dataclass(frozen=True)
class Comparison:
    """What to compare: builds since then (epoch ms; None is where each ledger begins) of the jobs
    that ``globs`` select, at most ``rate`` jobs a second. ``repair``: collect or queue again what
    is missing. ``on_difference`` gets a controller's name and what was found there."""

    since: int | None
    globs: Globs
    repair: bool
    rate: float
    on_difference: Callable[[str, Difference], None]


async def reconcile_all(
    context: AppContext, controllers: Sequence[Controller], comparison: Comparison
) -> ReconcileResult:
    """Compare Jenkins with the ledger."""
    since, repair = comparison.since, comparison.repair
    done = ReconcileResult(repairing=repair)
    for controller in controllers:
        pace = RateLimit(comparison.rate, asyncio.get_running_loop().time)
        names = selected(controller, comparison.globs)
        note = partial(comparison.on_difference, controller.name)
        try:
            async for checked in reconcile(controller, names, since, pace, note):
                _note(done, checked)
                if repair:
                    await _repair(controller, checked, since, done)
        except RemoteError as error:
            done.errors.append(error)
    if repair:
        await flush_all(context.senders)
        done.queued = context.ledger.outbox.count_queued()
    return done


def _note(done: ReconcileResult, checked: JobComparison) -> None:
    done.jobs += 1
    done.checked += checked.builds
    done.missing += checked.missing
    done.waiting += checked.waiting
    done.differing += checked.differing
    if checked.problem is not None:
        done.problems.append(checked.problem)


async def _repair(
    controller: Controller, checked: JobComparison, since: int | None, done: ReconcileResult
) -> None:
    try:
        work = partial(collect_missing, controller, checked, since)
        done.repaired += await controller.ledger.until_free(work)
    except RemoteError as error:
        done.problems.append(str(error))
    for entry in checked.to_send_again:
        anew = partial(send_again, controller, entry, all_sinks=True)
        again = await controller.ledger.until_free(anew)
        done.repaired += again.queued
        if not again.queued:
            done.problems.append(f"{again.job} #{again.number}: {again.how}")
