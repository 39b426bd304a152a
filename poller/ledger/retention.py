"""What the ledger forgets: payloads, logs and counts that were kept for long enough."""

from __future__ import annotations

from poller.config.settings import LedgerConfig
from poller.core.times import DAY_MS
from poller.ledger import Ledger

COUNTS_KEPT_MS = 35 * DAY_MS
"""How long the ledger keeps its counts by day and hour: the status page shows a week of them."""


def apply_retention(ledger: Ledger, keep: LedgerConfig, clock: int) -> None:
    """Forget what is old. ``clock`` is epoch milliseconds. Raises LedgerError."""
    now = trusted_now(clock, ledger.builds.newest_start())
    ledger.outbox.forget_payloads(now - keep.keep_payloads)
    ledger.logs.forget(now - keep.keep_logs)
    ledger.failures.forget(now - keep.keep_logs)
    ledger.page_queries.forget(now - COUNTS_KEPT_MS)


def trusted_now(clock: int, newest_build: int | None) -> int:
    """The time that something is old by: not later than the newest build began, which Jenkins says.
    A clock of our own that is a year ahead would have all of it forgotten at once."""
    return clock if newest_build is None else min(clock, newest_build)
