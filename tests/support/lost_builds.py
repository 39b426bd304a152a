"""Builds that the ledger has lost."""

from __future__ import annotations

import sqlite3
import time

from tests.support.site import Site

HOUR_MS = 3_600_000


def hours_ago(hours: float) -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000 - int(hours * HOUR_MS)


def build_old(site: Site, count: int = 5, job: str = "app", kind: str = "pipeline") -> None:
    """Builds of some hours ago."""
    for place in range(count):
        site.jenkins.job(job, kind=kind).build(timestamp=hours_ago(10 + count - place))


def lose(site: Site, where: str) -> None:
    """Make the ledger forget builds, as no program of ours does."""
    with sqlite3.connect(site.ledger) as conn:
        conn.execute("pragma foreign_keys = off")
        for table in ("delivery", "payload"):
            conn.execute(f"delete from {table} where build in (select id from build where {where})")
        conn.execute(f"delete from build where {where}")
    conn.close()
