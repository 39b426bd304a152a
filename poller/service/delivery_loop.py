"""Sends what is queued for one sink: at once when something was collected, and every few seconds,
as a command beside the service may have queued something."""

from __future__ import annotations

import random
import time

import structlog

from poller.delivery.outcome import PassResult
from poller.delivery.retry_wait import service_wait
from poller.delivery.sender import Sender
from poller.service.log_events import log_pass
from poller.service.parts import ServiceParts
from poller.service.scheduler import DELIVER, interval

EVERY_SECONDS = 5.0

STOP_MARGIN = 5.0
"""Seconds that a stop waits longer than the receiver may take to answer: a run whose answer nobody
waits for is sent twice."""

AFTER_THE_PAUSE = 0.01
"""Seconds: the scheduler goes by another clock, and must not be early."""

NO_SERVER_SECONDS = 10.0
"""How long a sink may take that is no server."""


class DeliveryLoop:
    """The job ``deliver:SINK``."""

    def __init__(self, parts: ServiceParts, sender: Sender) -> None:
        settings = parts.context.settings
        server = {"sei": settings.sei, "iacm": settings.harness}.get(sender.name)
        self.id = f"{DELIVER}:{sender.name}"
        self.trigger = interval(EVERY_SECONDS)
        self.first = 0.0
        self.stop_seconds = STOP_MARGIN + (server.timeout / 1000 if server else NO_SERVER_SECONDS)
        self._parts = parts
        self._sender = sender
        self._failures = 0
        self._paused_until = 0.0

    def wake(self) -> None:
        """Something was collected. A pass that is under way takes it along."""
        if self.id not in self._parts.scheduler.running and not self._paused:
            self._parts.scheduler.run_soon(self.id)

    @property
    def _paused(self) -> bool:
        return time.monotonic() < self._paused_until

    async def run_once(self) -> None:
        """One pass over the queue; none while the sink is not to be tried. Raises LedgerError."""
        if self._paused:
            return
        parts, sender = self._parts, self._sender
        with parts.watchdog.track(f"delivering to {sender.name}", lambda: sender.answered):
            done = await sender.run_pass(parts.stop)
        parts.metrics.pass_finished(sender.name, done)
        log_pass(structlog.get_logger(), sender.name, done)
        parts.watchdog.set_problem(sender.name, done.stopped or done.last_failure)
        self._failures = 0 if done.clean or done.delivered else self._failures + 1
        if not done.clean:
            seconds = self._pause_after(done)
            self._paused_until = time.monotonic() + seconds
            parts.scheduler.run_soon(self.id, seconds + AFTER_THE_PAUSE)

    def _pause_after(self, done: PassResult) -> float:
        """Seconds until the sink is tried again."""
        if not done.breaker.closed:
            return done.wait(self._sender.clock())
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        return service_wait(self._failures + 1, done.retry_after, jitter)
