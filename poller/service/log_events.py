"""The service's log lines about polls, deliveries and comparisons. Names of events are stable;
every line about a controller or a sink has its name."""

from __future__ import annotations

import structlog

from poller.core.times import iso
from poller.delivery.outcome import PassResult
from poller.http.breaker import Breaker, BreakerState
from poller.jenkins.request_limiter import LimiterState
from poller.polling.cycle import PollResult
from poller.polling.self_check import SelfCheckResult

Log = structlog.typing.FilteringBoundLogger


def log_poll(log: Log, result: PollResult, ms: int, known: frozenset[str] = frozenset()) -> None:
    """One line a poll that took so many ms, and one for each problem that the poll before did not
    have: ``known``."""
    log = log.bind(controller=result.controller)
    for problem in result.problems:
        if problem not in known:
            log.warning("job_not_collected", problem=problem)
    if result.error is not None:
        log.error("poll_failed", problem=str(result.error), **_hint(result.error.hint))
        return
    log.info(
        "poll_finished",
        jobs=result.jobs,
        asked=result.asked,
        collected=result.collected,
        skipped=result.skipped,
        ms=ms,
        **({"problems": len(result.problems)} if result.problems else {}),
    )


def log_limiter(log: Log, controller: str, before: LimiterState, now: LimiterState) -> None:
    """That a controller's circuit opened or closed, and that it gets fewer requests at once, as it
    is slow, or as many as usual: one line each."""
    log = log.bind(controller=controller)
    if before.breaker.closed and not now.breaker.closed:
        log.warning("circuit_opened", why=now.breaker.why, **_until(now.breaker))
    elif not before.breaker.closed and now.breaker.closed:
        log.info("circuit_closed")
    if before.at_once == before.most > now.at_once:
        log.warning("throttle_lowered", detail="it is slow", at_once=now.at_once)
    elif before.at_once < now.at_once == now.most:
        log.info("throttle_restored", at_once=now.at_once)


def log_pass(log: Log, sink: str, result: PassResult) -> None:
    """What a pass over the queue did, where it did something."""
    log = log.bind(sink=sink)
    if result.delivered or result.rejected:
        log.info("delivered", delivered=result.delivered, rejected=result.rejected)
    was_open, is_open = result.before is not BreakerState.CLOSED, not result.breaker.closed
    if was_open and not is_open:
        log.info("circuit_closed")
    if result.failed and not (was_open and is_open):
        problem = result.stopped or result.last_failure
        until = _until(result.breaker) if is_open else {}
        log.error("delivery_failed", problem=problem, **until, **_hint(result.hint))


def log_self_check(log: Log, controller: str, result: SelfCheckResult) -> None:
    """What the hourly comparison found; nothing where all is well."""
    log = log.bind(controller=controller)
    for difference in result.differences:
        log.warning("self_check_difference", finding=difference)
    for problem in result.problems:
        log.warning("self_check_failed", problem=problem)
    if result.collected:
        log.info("self_check_repaired", collected=result.collected)


def _until(breaker: Breaker) -> dict[str, str]:
    if breaker.next_try is None:
        return {}
    return {"until": iso(breaker.next_try), "at_once_by": "sei-poller now"}


def _hint(hint: str) -> dict[str, str]:
    return {"hint": hint} if hint else {}
