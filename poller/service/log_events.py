"""The service's own log lines: one a cycle, and one for each thing that is wrong."""

from __future__ import annotations

import structlog

from poller.core.times import iso
from poller.delivery.outcome import PassResult
from poller.http.breaker import Breaker, BreakerState
from poller.jenkins.request_limiter import LimiterState
from poller.polling.cycle import PollResult
from poller.polling.reconciliation import SelfCheckResult

Log = structlog.typing.FilteringBoundLogger


def log_poll(
    log: Log,
    cycle: PollResult,
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


def log_limiter(log: Log, controller: str, before: LimiterState, now: LimiterState) -> None:
    """That a controller is left alone, and that it answers again; that it is asked more slowly, and
    as usual: one line each."""
    if before.breaker.closed and not now.breaker.closed:
        log.warning("left alone", controller=controller, why=now.breaker.why, **_until(now.breaker))
    elif not before.breaker.closed and now.breaker.closed:
        log.info("answers again", controller=controller)
    if before.at_once == before.most > now.at_once:
        log.warning("asked more slowly: it is slow", controller=controller, at_once=now.at_once)
    elif before.at_once < now.at_once == now.most:
        log.info("asked as usual", controller=controller, at_once=now.at_once)


def log_pass(log: Log, sink: str, done: PassResult) -> None:
    """What a pass over the queue did, where it did something."""
    if done.delivered or done.rejected:
        log.info("delivered", sink=sink, delivered=done.delivered, rejected=done.rejected)
    was_open, is_open = done.before is not BreakerState.CLOSED, not done.breaker.closed
    if was_open and not is_open:
        log.info("takes runs again", sink=sink)
    if not done.clean and not (was_open and is_open):
        problem = done.stopped or done.last_failure
        until = _until(done.breaker) if is_open else {}
        log.error("sink failed", sink=sink, problem=problem, **until, **_cure(done.hint))


def log_self_check(log: Log, controller: str, healed: SelfCheckResult) -> None:
    """What the hourly comparison found; nothing where all is well."""
    for finding in healed.differences:
        log.warning("reconciled", controller=controller, finding=finding)
    for problem in healed.problems:
        log.warning("not compared", controller=controller, problem=problem)
    if healed.collected:
        log.info("reconciled", controller=controller, collected=healed.collected)


def _until(breaker: Breaker) -> dict[str, str]:
    return {"until": iso(breaker.next_try)} if breaker.next_try is not None else {}


def _cure(hint: str) -> dict[str, str]:
    return {"hint": hint} if hint else {}
