"""Every controller compared with the ledger, and what is missing collected and delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from poller.actions.resend import resend
from poller.context import AppContext
from poller.core.errors import RemoteError
from poller.core.patterns import Globs
from poller.delivery.flush import flush_all
from poller.http.throttle import RateLimit
from poller.ledger.controllers import ControllerRow
from poller.polling.controller import Controller
from poller.polling.reconciliation import (
    Difference,
    JobComparison,
    collect_missing,
    reconcile,
    selected,
)


@dataclass
class ReconcileResult:
    """What a comparison found; ``repaired`` counts the builds collected or queued again."""

    checked: int = 0
    jobs: int = 0
    missing: int = 0
    differing: int = 0
    problems: list[str] = field(default_factory=list)
    errors: list[RemoteError] = field(default_factory=list)
    repaired: int = 0
    queued: int = 0
    repairing: bool = False

    @property
    def exit_code(self) -> int:
        """69: a controller did not answer. 1: a finding, that was not repaired. 75: a job could not
        be compared, or something is still queued after a repair. Else 0."""
        if self.errors:
            return 69
        if self.repairing:
            return 75 if self.problems or self.queued else 0
        if self.missing or self.differing:
            return 1
        return 75 if self.problems else 0


async def reconcile_all(
    watched: Sequence[Controller],
    line: AppContext,
    since: int | None,
    globs: Globs,
    clock: Callable[[], int],
    *,
    repair: bool,
    rate: float,
    on_finding: Callable[[str, Difference], None],
) -> ReconcileResult:
    """Compare, and with ``repair`` mend and deliver. ``since`` None is where each controller's
    ledger begins; ``rate`` is in jobs a second; ``on_finding`` is told a controller's name and what
    was found there."""
    done = ReconcileResult(repairing=repair)
    for controller in watched:
        row = line.ledger.controllers.get(controller.name, controller.since)
        begin = row.since if since is None else since
        pace = RateLimit(rate, asyncio.get_running_loop().time)
        jobs = reconcile(
            controller, line.ledger, row, selected(controller, globs), begin, pace, clock,
            partial(on_finding, controller.name),
        )  # fmt: skip
        try:
            async for checked in jobs:
                _note(done, checked)
                if repair:
                    await _repair(controller, line, row, checked, begin, clock, done)
        except RemoteError as error:
            done.errors.append(error)
    if repair:
        await flush_all(line.sinks, line.ledger, clock)
        done.queued = line.ledger.outbox.count_queued()
    return done


def _note(done: ReconcileResult, checked: JobComparison) -> None:
    done.jobs += 1
    done.checked += checked.builds
    done.missing += checked.missing
    done.differing += len(checked.differing)
    if checked.problem is not None:
        done.problems.append(checked.problem)


async def _repair(
    watched: Controller,
    line: AppContext,
    row: ControllerRow,
    checked: JobComparison,
    since: int,
    clock: Callable[[], int],
    done: ReconcileResult,
) -> None:
    try:
        done.repaired += await collect_missing(
            watched, line.ledger, row, checked, since, line.sink_names, clock
        )
    except RemoteError as error:
        done.problems.append(str(error))
    for entry in checked.differing:
        again = await resend(watched, line.ledger, entry, clock, all_sinks=True)
        done.repaired += again.queued
        if not again.queued:
            done.problems.append(f"{again.job} #{again.number}: {again.how}")
