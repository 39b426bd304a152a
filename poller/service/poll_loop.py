"""Polls one controller on its schedule, and now and then compares a few of its jobs with the
ledger."""

from __future__ import annotations

import time

import structlog
from apscheduler.triggers.base import BaseTrigger

from poller.jenkins.request_limiter import LimiterState
from poller.polling.controller import Controller
from poller.polling.cycle import poll
from poller.polling.self_check import self_check
from poller.service.log_events import log_limiter, log_poll, log_self_check
from poller.service.parts import ServiceParts
from poller.service.scheduler import POLL, SELF_CHECK

STOP_SECONDS = 20.0
"""How long a stop waits for a poll; what is not recorded by then is collected after the start."""


class PollLoop:
    """The job ``poll:NAME``, the first time in ``first`` seconds."""

    stop_seconds = STOP_SECONDS

    def __init__(
        self, parts: ServiceParts, controller: Controller, trigger: BaseTrigger, first: float
    ) -> None:
        self.id = f"{POLL}:{controller.name}"
        self.trigger = trigger
        self.first = first
        self._parts = parts
        self.controller: str | None = controller.name
        self._controller = controller
        self._problems: frozenset[str] = frozenset()

    def end_wait(self) -> None:
        """An open circuit is tried with the next poll."""
        limiter = self._controller.client.limiter
        if limiter.circuit_open:
            limiter.resume(limiter.breaker)

    async def run_once(self) -> None:
        """One poll. Raises LedgerError."""
        parts, controller = self._parts, self._controller
        name, client = controller.name, controller.client
        before, started = client.limiter.state, time.monotonic()
        with parts.watchdog.track(f"polling {name}", lambda: client.requests):
            result = await poll(controller, parts.stop)
        seconds = time.monotonic() - started
        parts.guard.recorded()
        parts.metrics.poll_finished(result, seconds)
        parts.watchdog.set_problem(name, str(result.error or ""))
        known, self._problems = self._problems, frozenset(result.problems)
        if before.breaker.closed or client.limiter.breaker.closed:
            log_poll(structlog.get_logger(), result, int(seconds * 1000), known)
        report_limiter(parts, controller, before)


class SelfCheckLoop:
    """The job ``self_check:NAME``, the first time in ``first`` seconds."""

    stop_seconds = STOP_SECONDS

    def __init__(
        self, parts: ServiceParts, controller: Controller, trigger: BaseTrigger, first: float
    ) -> None:
        self.id = f"{SELF_CHECK}:{controller.name}"
        self.trigger = trigger
        self.first = first
        self._parts = parts
        self._controller = controller

    async def run_once(self) -> None:
        """Compare a few jobs with Jenkins, build by build. Raises LedgerError."""
        parts, controller = self._parts, self._controller
        client, jobs = controller.client, parts.context.settings.reconcile.jobs
        before = client.limiter.state
        with parts.watchdog.track(f"comparing {controller.name}", lambda: client.requests):
            result = await self_check(controller, jobs, parts.stop)
        log_self_check(structlog.get_logger(), controller.name, result)
        report_limiter(parts, controller, before)


def report_limiter(parts: ServiceParts, controller: Controller, before: LimiterState) -> None:
    """Say how a controller is treated now. While its circuit is open, the next poll is when it may
    be tried: it begins with one small request."""
    limiter = controller.client.limiter
    log_limiter(structlog.get_logger(), controller.name, before, limiter.state)
    parts.metrics.limit_changed(controller.name, limiter.throttle.limit)
    if limiter.circuit_open:
        wait = limiter.breaker.wait(controller.clock(), limiter.policy)
        parts.scheduler.run_soon(f"{POLL}:{controller.name}", wait)
