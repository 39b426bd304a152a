"""One cycle of every controller, and the outbox beside it: what the service does, done once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from poller.context import AppContext
from poller.core.errors import Unauthorized
from poller.core.events import NO_EVENTS, Events, WakeOnCollected
from poller.core.tasks import together
from poller.delivery.flush import flush_while
from poller.delivery.outcome import PassResult
from poller.ledger.retention import apply_retention
from poller.polling.cycle import PollResult, poll


@dataclass
class OnceResult:
    """What it did: one cycle a controller, one drain a sink, and what is still queued."""

    cycles: list[PollResult] = field(default_factory=list)
    drains: dict[str, PassResult] = field(default_factory=dict)
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


async def once(line: AppContext, *, events: Events = NO_EVENTS) -> OnceResult:
    """Poll every controller, send beside it, and then the rest. Raises LedgerError."""
    done = OnceResult()

    async def collect(queued: Callable[[], None]) -> None:
        waking = WakeOnCollected(events, queued)
        done.cycles = await together(
            poll(dataclasses.replace(one, events=waking)) for one in line.controllers
        )

    senders = [dataclasses.replace(one, events=events) for one in line.senders]
    done.drains = await flush_while(collect, senders)
    apply_retention(line.ledger, line.settings.ledger, line.clock())
    done.queued = line.ledger.outbox.count_queued()
    return done
