"""What happens while builds are collected and delivered, for whoever counts or shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Events(Protocol):
    """Implemented by the metrics, by the progress bar, and by :class:`NoEvents`."""

    def request_done(self, server: str, path: str, status: int | None) -> None:
        """One attempt of a request ended; ``status`` is None where no answer came. ``server`` is a
        controller's name, ``sei`` or ``iacm``."""

    def builds_to_check(self, controller: str, count: int) -> None:
        """So many more builds are to be looked at."""

    def builds_checked(self, controller: str, count: int) -> None:
        """So many of them were looked at."""

    def builds_collected(self, controller: str, count: int) -> None:
        """So many builds are new in the outbox."""

    def tests_counted(self, controller: str, total: int, failed: int, skipped: int) -> None:
        """A build that is new in the outbox ran so many tests."""

    def went_without(self, controller: str, reason: str) -> None:
        """A run that is new in the outbox lacks something."""

    def failure_explained(self, controller: str, category: str) -> None:
        """Of a failed build that is new in the outbox the cause may be of that category."""

    def step_log_kept(self, controller: str, source: str) -> None:
        """The log of a failed step is new in the ledger; ``source`` is the key of who gave it."""

    def delivery_settled(self, sink: str, controller: str, outcome: str, waited_ms: int) -> None:
        """A run was ``delivered`` or ``rejected``, so long after its build had ended."""


class NoEvents:
    """Nobody counts."""

    def request_done(self, server: str, path: str, status: int | None) -> None:
        """Nothing."""

    def builds_to_check(self, controller: str, count: int) -> None:
        """Nothing."""

    def builds_checked(self, controller: str, count: int) -> None:
        """Nothing."""

    def builds_collected(self, controller: str, count: int) -> None:
        """Nothing."""

    def tests_counted(self, controller: str, total: int, failed: int, skipped: int) -> None:
        """Nothing."""

    def went_without(self, controller: str, reason: str) -> None:
        """Nothing."""

    def failure_explained(self, controller: str, category: str) -> None:
        """Nothing."""

    def step_log_kept(self, controller: str, source: str) -> None:
        """Nothing."""

    def delivery_settled(self, sink: str, controller: str, outcome: str, waited_ms: int) -> None:
        """Nothing."""


NO_EVENTS = NoEvents()


@dataclass(frozen=True)
class WakeOnCollected:
    """Passes everything on to ``events``, and calls ``wake`` when builds are collected."""

    events: Events
    wake: Callable[[], None]

    def request_done(self, server: str, path: str, status: int | None) -> None:
        """Passed on."""
        self.events.request_done(server, path, status)

    def builds_to_check(self, controller: str, count: int) -> None:
        """Passed on."""
        self.events.builds_to_check(controller, count)

    def builds_checked(self, controller: str, count: int) -> None:
        """Passed on."""
        self.events.builds_checked(controller, count)

    def builds_collected(self, controller: str, count: int) -> None:
        """Passed on; there is something to send."""
        self.events.builds_collected(controller, count)
        if count:
            self.wake()

    def tests_counted(self, controller: str, total: int, failed: int, skipped: int) -> None:
        """Passed on."""
        self.events.tests_counted(controller, total, failed, skipped)

    def went_without(self, controller: str, reason: str) -> None:
        """Passed on."""
        self.events.went_without(controller, reason)

    def failure_explained(self, controller: str, category: str) -> None:
        """Passed on."""
        self.events.failure_explained(controller, category)

    def step_log_kept(self, controller: str, source: str) -> None:
        """Passed on."""
        self.events.step_log_kept(controller, source)

    def delivery_settled(self, sink: str, controller: str, outcome: str, waited_ms: int) -> None:
        """Passed on."""
        self.events.delivery_settled(sink, controller, outcome, waited_ms)
