"""Sends what is queued for one sink: at once when something was collected, and every few seconds,
as a command beside the service may have queued something."""

from __future__ import annotations

import random
import time

import structlog

from poller.core.errors import LedgerError, sanitize
from poller.core.times import backoff
from poller.delivery.jsonl import WRITE_SECONDS
from poller.delivery.retry_wait import FIRST_WAIT, LONGEST_WAIT
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

LEAST_STOP_SECONDS = 20.0
"""A run may also wait for its turn, as ``request_rate`` has it."""

NO_SERVER_SECONDS = WRITE_SECONDS
"""How long a sink may take that is no server."""


class DeliveryLoop:
    """The job ``deliver:SINK``."""

    controller: str | None = None
    """It is of no controller."""

    def __init__(self, parts: ServiceParts, sender: Sender) -> None:
        settings = parts.context.settings
        server = {"sei": settings.sei, "iacm": settings.harness}.get(sender.name)
        self.id = f"{DELIVER}:{sender.name}"
        self.trigger = interval(EVERY_SECONDS)
        self.first = 0.0
        answer = server.timeout / 1000 if server else NO_SERVER_SECONDS
        # What SEI does not take with its logs is sent once more without.
        answers = 2 if sender.name == "sei" and settings.sends_logs else 1
        self.stop_seconds = max(LEAST_STOP_SECONDS, answers * answer + STOP_MARGIN)
        self._parts = parts
        self._sender = sender
        self._failures = 0
        self._paused_until = 0.0
        self._again = False

    def wake(self) -> None:
        """Something was collected. A pass that is under way may have read the queue already."""
        self._again = self.id in self._parts.scheduler.running
        if not self._again and not self._paused:
            self._parts.scheduler.run_soon(self.id)

    def end_wait(self) -> None:
        """The next pass does not wait for the end of a pause."""
        self._paused_until = 0.0

    @property
    def _paused(self) -> bool:
        return time.monotonic() < self._paused_until

    async def run_once(self) -> None:
        """One pass over the queue; none while the sink is not to be tried. Raises LedgerError."""
        if self._paused:
            return
        parts, sender = self._parts, self._sender
        self._again = False
        try:
            with parts.watchdog.track(f"delivering to {sender.name}", lambda: sender.answered):
                done = await sender.run_pass(parts.stop)
        except LedgerError:
            raise
        except Exception as error:  # a bug: this sink waits, the others and the polls go on
            self._failures += 1
            parts.watchdog.set_problem(sender.name, repr(sanitize(str(error))))
            jitter = random.random()  # noqa: S311 - spreads load, guards nothing
            self._pause(
                backoff(self._failures, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter)
            )
            raise
        parts.metrics.pass_finished(sender.name, done)
        log_pass(structlog.get_logger(), sender.name, done)
        parts.watchdog.set_problem(sender.name, done.away)
        self._failures = 0
        wait = done.wait(sender.clock())
        if not done.breaker.closed:
            self._pause(wait or 0.0)
        elif self._again:
            parts.scheduler.run_soon(self.id, AFTER_THE_PAUSE)
        elif wait is not None and wait < EVERY_SECONDS:
            parts.scheduler.run_soon(self.id, wait + AFTER_THE_PAUSE)

    def _pause(self, seconds: float) -> None:
        self._paused_until = time.monotonic() + seconds
        self._parts.scheduler.run_soon(self.id, seconds + AFTER_THE_PAUSE)
