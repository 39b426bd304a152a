"""What IaCM is sent of a build, or why it is sent nothing: kept for ever, as it is small and says
under which ids the build is on record there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from poller.ledger.file import LedgerFile
from poller.ledger.jobs import take_watermark_back

SINK = "iacm"


@dataclass(frozen=True)
class RecordedExecution:
    """One build that is to be on record at IaCM; ``state`` is its delivery's, ``body`` its JSON."""

    build: int
    full_name: str
    number: int
    state: str
    body: bytes


class Executions:
    """Reads the table ``execution``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def recorded(self, controller: int, since: int) -> Iterator[RecordedExecution]:
        """Those of builds that started at or after ``since`` (epoch ms), by job and number."""
        with self._file.guarded("read executions"):
            for build, name, number, state, body in self._file.conn.execute(
                "select b.id, j.full_name, b.number, d.state, e.body from execution e"
                " join build b on b.id = e.build join job j on j.id = b.job"
                " join delivery d on d.build = b.id and d.sink = ?"
                " where j.controller = ? and b.timestamp >= ? and e.body is not null"
                " order by j.full_name, b.generation, b.number",
                (SINK, controller, since),
            ):
                yield RecordedExecution(build, name, number, state, body.encode())

    def queue_again(self, build: int, at: int) -> None:
        """Put a delivery back to the queue, the same to the byte."""
        with self._file.write("queue an execution again") as conn:
            conn.execute(
                "update delivery set state = 'queued', at = ?, status = null, answer = null"
                " where build = ? and sink = ?",
                (at, build, SINK),
            )
            take_watermark_back(conn, build)


def record_execution(
    conn: sqlite3.Connection, build: int, body: bytes | None, skipped: str | None
) -> None:
    """Keep what is sent of a build, or why nothing is, as a part of recording it."""
    if body is not None or skipped is not None:
        conn.execute(
            "insert into execution values (?, ?, ?) on conflict do update"
            " set body = excluded.body, skipped = excluded.skipped",
            (build, None if body is None else body.decode(), skipped),
        )
