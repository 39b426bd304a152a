"""How long until a delivery is tried again: by the service, by a command that ends, and while the
circuit is open. Pure."""

from __future__ import annotations

from poller.core.times import backoff
from poller.http.breaker import BreakerPolicy

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries of the service; ``Retry-After`` may make it longer."""

POLICY = BreakerPolicy(failures=3, first=FIRST_WAIT, longest=LONGEST_WAIT, max_retry_after=3600.0)
"""When a sink counts as down: failures in a row, without a delivery between."""

COMMAND_TRIES = 3
"""Passes of a command over the queue before the rest is left for the next time."""

COMMAND_FIRST_WAIT, COMMAND_LONGEST_WAIT = 0.5, 5.0
"""Seconds between two passes of a command; a receiver that wants more is left for the next time."""


def service_wait(failures: int, retry_after: float | None, jitter: float) -> float:
    """Seconds until the service tries a sink again that failed so many times in a row."""
    wait = backoff(failures, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter)
    return max(wait, retry_after or 0)


def command_wait(failures: int, retry_after: float | None, jitter: float) -> float:
    """The same of a command that ends."""
    wait = backoff(failures, first=COMMAND_FIRST_WAIT, longest=COMMAND_LONGEST_WAIT, jitter=jitter)
    return max(wait, retry_after or 0)
