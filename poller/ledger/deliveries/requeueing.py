"""Builds that are sent again, as parts of the outbox's transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from poller.ledger.executions import SINK as IACM
from poller.ledger.executions import record_execution
from poller.ledger.incomplete import complete_now, record_incomplete
from poller.ledger.jobs import take_watermark_back
from poller.ledger.logs.archive import keep_log
from poller.ledger.logs.failures import keep_failure
from poller.ledger.queueing import packed
from poller.ledger.records import BuildRow
from poller.ledger.stage_sources import keep_depths

REFUSED = "(state = 'rejected' or state = 'queued' and tries > 0)"


def bodies(conn: sqlite3.Connection, build: int) -> list[tuple[Any, ...]]:
    """What of a build is sent."""
    return conn.execute(
        "select body from payload where build = ?1"
        " union all select body from execution where build = ?1",
        (build,),
    ).fetchall()


def map_anew(conn: sqlite3.Connection, build: int, new: BuildRow, at: int) -> None:
    """Keep a build as it is mapped now."""
    if new.payload is not None:
        conn.execute(
            "insert into payload (build, body) values (?, ?)"
            " on conflict do update set body = excluded.body",
            (build, packed(new.payload)),
        )
    keep_depths(conn, build, new.depths)
    conn.execute(
        "update build set result = ?, duration = ? where id = ?", (new.result, new.duration, build)
    )
    record_execution(conn, build, new.execution, new.no_execution)
    if new.log is not None:
        keep_log(conn, build, new.log, at)
    if new.failure is not None:
        keep_failure(conn, build, new.failure, at)
    if new.incomplete is None:
        complete_now(conn, build)
    else:
        record_incomplete(conn, build, new.incomplete, at)


def queue_again(
    conn: sqlite3.Connection, build: int, at: int, new: BuildRow | None, sinks: Sequence[str]
) -> None:
    """Put a build's deliveries back to the queue: the refused ones, and those of ``sinks``."""
    if new is not None and new.execution is not None and IACM in sinks:
        # Its stages came late, and its execution with them.
        conn.execute(
            "insert into delivery (build, sink, state, controller, at, history)"
            " select b.id, ?, 'queued', j.controller, ?, 0 from build b join job j on j.id = b.job"
            " where b.id = ? on conflict do nothing",
            (IACM, at, build),
        )
    no_execution = new is not None and new.execution is None
    conn.execute(
        "update delivery set state = 'queued', at = ?, status = null, answer = null,"
        " tries = 0, next_try = 0, failing_since = null, without_logs = null"
        f" where build = ? and iif(sink = ?, {REFUSED} and not ?,"
        f" {REFUSED} or sink in (select value from json_each(?)))",
        (at, build, IACM, no_execution, json.dumps(list(sinks))),
    )
    conn.execute("update payload set settled_at = null where build = ?", (build,))
    take_watermark_back(conn, build)
