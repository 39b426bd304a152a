"""Builds that were sent already: mapped anew, queued again."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from poller.context import AppContext
from poller.core.errors import RemoteError
from poller.core.events import WakeOnCollected
from poller.core.patterns import Globs
from poller.core.tasks import stop_on_signals, together
from poller.core.times import Stopping
from poller.delivery.flush import flush_while
from poller.delivery.outcome import PassResult
from poller.ledger.deliveries.sent import Delivered, DeliveredBuild
from poller.ledger.executions import SINK as IACM
from poller.polling.controller import Controller
from poller.polling.send_again import SentAgain, send_again
from poller.polling.verify_controller import ensure_reachable

PROBLEMS_SHOWN = 100
"""Builds that were not queued that the result names; each is told when it is found."""


@dataclass(frozen=True)
class Selection:
    """Which of the delivered builds: those that started from ``since`` until ``until`` (epoch ms;
    None: no such end) of jobs that ``globs`` select; with ``incomplete``, only those that were sent
    without something."""

    since: int | None
    until: int | None
    globs: Globs
    incomplete: bool


@dataclass
class ResendResult:
    """What a resend did: builds ``selected``, by how they were queued, and the first that were not,
    one line each. ``stopped``: by a signal."""

    selected: int = 0
    how: Counter[str] = field(default_factory=Counter)
    not_queued: int = 0
    problems: list[str] = field(default_factory=list)
    errors: list[RemoteError] = field(default_factory=list)
    passes: dict[str, PassResult] = field(default_factory=dict)
    queued: int = 0
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        """69: a controller did not answer; 75: done in part; 0: all done, or the service sends."""
        if self.errors:
            return 69
        left = self.queued and not any(p.another_process_sends for p in self.passes.values())
        return 75 if self.not_queued or self.stopped or left else 0


def count(controllers: Sequence[Controller], selection: Selection) -> dict[str, int]:
    """How many builds it would be, by controller. Asks nobody, changes nothing."""
    return {one.name: sum(len(page) for page in pages(one, selection)) for one in controllers}


async def resend(
    context: AppContext,
    controllers: Sequence[Controller],
    selection: Selection,
    on_problem: Callable[[str], None],
) -> ResendResult:
    """Queue them, and deliver beside it. SIGINT and SIGTERM end it between two builds; what is
    queued by then is sent, now or with the next command. ``on_problem`` gets a line a build that
    was not queued. Raises LedgerError."""
    stop, done = asyncio.Event(), ResendResult()
    stop_on_signals(stop)

    def note(one: SentAgain) -> None:
        if one.queued:
            done.how[one.how] += 1
            return
        done.not_queued += 1
        line = f"{one.job} #{one.number}: {one.how}"
        done.problems += [line] if done.not_queued <= PROBLEMS_SHOWN else []
        on_problem(line)

    async def collect(queued: Callable[[], None]) -> None:
        for given in controllers:
            one = dataclasses.replace(given, events=WakeOnCollected(given.events, queued))
            try:
                await ensure_reachable(one)
                done.selected += await _of_controller(one, selection, note, stop.is_set)
            except RemoteError as error:
                done.errors.append(error)

    done.passes = await flush_while(collect, context.senders, stop.is_set)
    done.queued, done.stopped = context.ledger.outbox.count_queued(), stop.is_set()
    return done


async def _of_controller(
    controller: Controller,
    selection: Selection,
    note: Callable[[SentAgain], None],
    stopping: Stopping,
) -> int:
    """How many were selected before a stop. Raises CircuitOpen when the controller fails."""
    limiter, events = controller.client.limiter, controller.events
    at_once, selected = asyncio.Semaphore(controller.max_connections), 0

    async def of_job(builds: Sequence[DeliveredBuild]) -> None:
        nonlocal selected
        async with at_once:
            for build in builds:  # one after the other: so they arrive, too
                if stopping() or limiter.circuit_open:
                    return
                work = partial(send_again, controller, build.id, all_sinks=True)
                again = await controller.ledger.until_free(work)
                if not again.queued and limiter.circuit_open:
                    return  # the build is not to blame
                selected += 1
                note(again)
                events.builds_checked(controller.name, 1)
                events.builds_collected(controller.name, int(again.queued))

    for page in pages(controller, selection):
        events.builds_to_check(controller.name, len(page))
        jobs: dict[str, list[DeliveredBuild]] = {}
        for build in page:
            jobs.setdefault(build.full_name, []).append(build)
        await together(of_job(builds) for builds in jobs.values())
        if stopping():
            break
        if limiter.circuit_open:
            raise limiter.circuit_open_error()
    return selected


def pages(controller: Controller, selection: Selection) -> Iterator[list[DeliveredBuild]]:
    """The selected builds, some hundred at a time, in the order in which they were recorded."""
    row = controller.ledger.controllers.find(controller.name)
    if row is None:
        return
    wanted = Delivered(
        row.id,
        [sink for sink in controller.sinks if sink != IACM],
        selection.since,
        selection.until,
        selection.incomplete,
    )
    after = 0
    while page := controller.ledger.outbox.delivered(wanted, after):
        after = page[-1].id
        yield [build for build in page if selection.globs.selects(build.full_name)]
