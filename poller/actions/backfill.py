"""The backfill of every controller at once, and the delivery of what it collects."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from poller.context import AppContext
from poller.core.errors import RemoteError
from poller.core.events import WakeOnCollected
from poller.core.patterns import Globs
from poller.core.tasks import stop_on_signals, together
from poller.delivery.flush import flush_while
from poller.delivery.outcome import PassResult
from poller.polling.backfill import BackfillResult, Estimate, Window, backfill, estimate
from poller.polling.controller import Controller


@dataclass
class BackfillAllResult:
    """What a backfill did. ``stopped``: by a signal."""

    controllers: list[BackfillResult] = field(default_factory=list)
    errors: list[RemoteError] = field(default_factory=list)
    passes: dict[str, PassResult] = field(default_factory=dict)
    queued: int = 0
    stopped: bool = False

    @property
    def another_process_sends(self) -> bool:
        """Another process, as the service, sends what is queued."""
        return any(one.another_process_sends for one in self.passes.values())

    @property
    def exit_code(self) -> int:
        """69: no controller answered; 75: done in part; 0: all done, or another process sends."""
        if self.errors and not self.controllers:
            return 69
        problems = self.errors or any(one.problems for one in self.controllers)
        left = self.queued and not self.another_process_sends
        return 75 if problems or self.stopped or left else 0


@dataclass
class EstimateAllResult:
    """What a backfill would be."""

    controllers: list[Estimate] = field(default_factory=list)
    errors: list[RemoteError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """69: a controller did not answer; 75: a job did not; else 0."""
        if self.errors:
            return 69
        return 75 if any(one.problems for one in self.controllers) else 0


async def backfill_all(
    context: AppContext,
    controllers: Sequence[Controller],
    window: Window,
    globs: Globs,
) -> BackfillAllResult:
    """Backfill and deliver side by side. SIGINT and SIGTERM end it where it can be gone on with."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    done = BackfillAllResult()

    async def one(controller: Controller) -> None:
        try:
            work = partial(backfill, controller, window, globs, stop.is_set)
            done.controllers.append(await controller.ledger.until_free(work))
        except RemoteError as error:
            done.errors.append(error)

    async def collect(queued: Callable[[], None]) -> None:
        await together(
            one(dataclasses.replace(c, events=WakeOnCollected(c.events, queued)))
            for c in controllers
        )

    done.passes = await flush_while(collect, context.senders, stop.is_set)
    done.queued, done.stopped = context.ledger.outbox.count_queued(), stop.is_set()
    return done


async def estimate_all(
    controllers: Sequence[Controller], window: Window, globs: Globs
) -> EstimateAllResult:
    """What the same backfill would be."""
    found = EstimateAllResult()
    for one in controllers:
        try:
            found.controllers.append(await estimate(one, window, globs))
        except RemoteError as error:
            found.errors.append(error)
    return found
