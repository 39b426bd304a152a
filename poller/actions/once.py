"""One cycle of every controller, and the outbox beside it: what the service does, done once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from poller.context import AppContext
from poller.core.errors import Unauthorized
from poller.core.events import WakeOnCollected
from poller.core.tasks import together
from poller.delivery.flush import flush_while
from poller.delivery.outcome import PassResult
from poller.ledger.retention import apply_retention
from poller.polling.cycle import PollResult, poll
from poller.polling.self_check import SelfCheckResult, is_self_check_due, self_check


@dataclass
class OnceResult:
    """What it did: one cycle a controller, one pass a sink, and what is still queued."""

    cycles: list[PollResult] = field(default_factory=list)
    passes: dict[str, PassResult] = field(default_factory=dict)
    queued: int = 0
    former: dict[str, int] = field(default_factory=dict)
    """What waits for sinks that the config does not have."""
    guid_problems: list[str] = field(default_factory=list)
    self_checks: dict[str, SelfCheckResult] = field(default_factory=dict)
    """By controller, what was compared with Jenkins besides."""

    @property
    def exit_code(self) -> int:
        """69: no controller answered, or one refused the token; 75: done in part; 0: all done."""
        errors = [cycle.error for cycle in self.cycles if cycle.error is not None]
        if len(errors) == len(self.cycles) or any(isinstance(e, Unauthorized) for e in errors):
            return 69
        if self.queued or any(cycle.partial for cycle in self.cycles):
            return 75
        return 0


async def once(context: AppContext, *, now: bool = False) -> OnceResult:
    """Poll every controller, send beside it, and then the rest. With ``now``, nothing waits for its
    time to be tried again. Raises LedgerError."""
    done, ledger = OnceResult(), context.ledger

    if now:
        await ledger.when_free(partial(ledger.jobs.ask_now, None))

    async def collect(queued: Callable[[], None]) -> None:
        done.cycles = await together(
            ledger.until_free(
                partial(poll, dataclasses.replace(one, events=WakeOnCollected(one.events, queued)))
            )
            for one in context.controllers
        )
        await ledger.until_free(compare)

    async def compare() -> None:
        config = context.settings.reconcile
        for one in context.controllers if config.enabled else ():
            if is_self_check_due(one, config.every):
                done.self_checks[one.name] = await self_check(one, config.jobs)

    if context.instances is not None:
        await context.instances.run(daily=False)
    done.passes = await flush_while(collect, context.senders)
    await ledger.when_free(partial(apply_retention, ledger, context.settings, context.clock()))
    done.queued = context.ledger.outbox.count_queued()
    instances = context.ledger.controllers.instances().values()
    done.guid_problems = [one["problem"] for one in instances if one["problem"]]
    done.former = context.ledger.outbox.former_sinks()
    return done
