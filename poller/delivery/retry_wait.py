"""How long until a delivery, or its sink, is tried again. Pure."""

from __future__ import annotations

from poller.core.times import DAY_MS, backoff
from poller.http.breaker import BreakerPolicy
from poller.ledger.deliveries.queue import LONGEST_OWN_WAIT_MS

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds between two tries of a run, or of a sink that is down, as far as is known."""

LONGEST_OWN_WAIT = LONGEST_OWN_WAIT_MS / 1000
"""Seconds between two tries of a run that fails while others are delivered."""

POLICY = BreakerPolicy(
    failures=3, first=FIRST_WAIT, longest=LONGEST_WAIT, max_retry_after=DAY_MS / 1000
)
"""When a sink counts as down: when runs of so many jobs failed, without a delivery between."""

COMMAND_TRIES = 3
"""Passes of a command that may fail before the rest is left for the next time."""

COMMAND_LONGEST_WAIT = 5.0
"""Seconds between two passes of a command; what is to wait longer is left for the next time."""


def run_wait(tries: int, retry_after: float | None, jitter: float, *, own: bool) -> float:
    """Seconds until a run is tried again that failed so many times."""
    if not own:
        return backoff(tries, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter)
    wait = backoff(tries, first=FIRST_WAIT, longest=LONGEST_OWN_WAIT, jitter=jitter)
    return min(max(wait, retry_after or 0.0), LONGEST_OWN_WAIT)
