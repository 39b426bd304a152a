"""One cycle of every controller, then the outbox: what the service does, done once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from poller import backoff
from poller.cycle import Cycle, poll
from poller.delivery import Drain, drain
from poller.errors import Unauthorized
from poller.sinks import Sink
from poller.wiring import Line

TRIES = 3
"""Passes over the queue before the rest is left for the next time."""


@dataclass
class Once:
    """What it did: one cycle a controller, one drain a sink, and what is still queued."""

    cycles: list[Cycle] = field(default_factory=list)
    drains: dict[str, Drain] = field(default_factory=dict)
    queued: int = 0

    @property
    def exit_code(self) -> int:
        """69: no controller answered, or one refused the token; 75: done in part; 0: all done."""
        errors = [cycle.error for cycle in self.cycles if cycle.error is not None]
        if len(errors) == len(self.cycles) or any(isinstance(e, Unauthorized) for e in errors):
            return 69
        if self.queued or any(cycle.partial for cycle in self.cycles):
            return 75
        return 0


async def once(
    line: Line,
    clock: Callable[[], int],
    *,
    on_collected: Callable[[int], None] = lambda _count: None,
    on_settled: Callable[[int], None] = lambda _count: None,
) -> Once:
    """Poll every controller, then drain every sink. Raises LedgerError."""
    done = Once()
    done.cycles = await asyncio.gather(
        *(
            poll(w, line.ledger, line.sink_names, clock, on_collected=on_collected)
            for w in line.watched
        )
    )
    drains = await asyncio.gather(*(_drain(sink, line, clock, on_settled) for sink in line.sinks))
    done.drains = {sink.name: drained for sink, drained in zip(line.sinks, drains, strict=True)}
    line.ledger.outbox.forget_payloads(clock() - line.settings.ledger.keep_payloads)
    line.ledger.logs.forget(clock() - line.settings.ledger.keep_logs)
    done.queued = line.ledger.outbox.count_queued()
    return done


async def _drain(
    sink: Sink, line: Line, clock: Callable[[], int], on_settled: Callable[[int], None]
) -> Drain:
    total = Drain()
    for attempt in range(1, TRIES + 1):
        done = await drain(sink, line.ledger, clock, on_settled=lambda _d, _state: on_settled(1))
        done.delivered += total.delivered
        done.rejected += total.rejected
        total = done
        if done.clean or done.hint or attempt == TRIES:
            break
        wait = backoff.delay(attempt, first=0.5, longest=5, jitter=random.random())  # noqa: S311
        if (done.retry_after or 0) > 5:
            break
        await asyncio.sleep(max(wait, done.retry_after or 0))
    return total
