"""What the ledger forgets: payloads, logs and counts that were kept for long enough."""

from __future__ import annotations

from poller.config.settings import Settings
from poller.core.times import DAY_MS
from poller.ledger import Ledger
from poller.ledger.logs.waiting import LogAge

COUNTS_KEPT_MS = 35 * DAY_MS
"""How long the ledger keeps its counts by day and hour: the status page shows a week of them."""


def apply_retention(ledger: Ledger, settings: Settings, clock: int) -> None:
    """Forget what is old, but logs that wait to be sent only when they are twice as old. ``clock``
    is epoch milliseconds. Raises LedgerError."""
    keep = settings.ledger
    now = trusted_now(clock, ledger.builds.newest_start())
    ledger.outbox.forget_payloads(now - keep.keep_payloads)
    old = now - keep.keep_logs
    age = LogAge(old, old - keep.keep_logs if settings.sends_logs else old)
    if settings.sends_logs:
        ledger.outbox.note_dropped_logs(age.waiting)
    ledger.logs.forget(age)
    ledger.failures.forget(age)
    ledger.page_queries.forget(now - COUNTS_KEPT_MS)


def trusted_now(clock: int, newest_build: int | None) -> int:
    """The time that something is old by: not later than the newest build began, which Jenkins says.
    A clock of our own that is a year ahead would have all of it forgotten at once."""
    return clock if newest_build is None else min(clock, newest_build)
