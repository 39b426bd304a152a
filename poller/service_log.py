"""The service's own log lines: one a cycle, and one for each thing that is wrong."""

from __future__ import annotations

import structlog

from poller.cycle import Cycle
from poller.delivery import Drain
from poller.heal import Healed

Log = structlog.typing.FilteringBoundLogger


def log_cycle(
    log: Log,
    cycle: Cycle,
    took: int,
    known: frozenset[str] = frozenset(),
) -> None:
    """One line a cycle, and one for each problem that the cycle before did not have: ``known``."""
    for problem in cycle.problems:
        if problem not in known:
            log.warning("not collected", problem=problem)
    if cycle.error is not None:
        log.error("poll failed", problem=str(cycle.error), **_cure(cycle.error.hint))
        return
    log.info(
        "polled",
        controller=cycle.controller,
        jobs=cycle.jobs,
        asked=cycle.asked,
        collected=cycle.collected,
        skipped=cycle.skipped,
        ms=took,
        **({"problems": len(cycle.problems)} if cycle.problems else {}),
    )


def log_drain(log: Log, sink: str, done: Drain) -> None:
    """What a pass over the queue did, where it did something."""
    if done.delivered or done.rejected:
        log.info("delivered", sink=sink, delivered=done.delivered, rejected=done.rejected)
    if not done.clean:
        problem = done.stopped or done.last_failure
        log.error("sink failed", sink=sink, problem=problem, **_cure(done.hint))


def log_healed(log: Log, controller: str, healed: Healed) -> None:
    """What the hourly comparison found; nothing where all is well."""
    for finding in healed.findings:
        log.warning("reconciled", controller=controller, finding=finding)
    for problem in healed.problems:
        log.warning("not compared", controller=controller, problem=problem)
    if healed.collected:
        log.info("reconciled", controller=controller, collected=healed.collected)


def _cure(hint: str) -> dict[str, str]:
    return {"hint": hint} if hint else {}
