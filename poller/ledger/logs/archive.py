"""Console logs in the ledger: compressed, with an index of their words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from poller.core.kept_log import KeptLog, unpack
from poller.ledger.file import LedgerFile
from poller.ledger.logs.waiting import LogAge, is_too_old

FORGOTTEN_AT_ONCE = 50
"""Logs that go in one transaction: others may write in between."""

PAGES_MERGED = 500
"""Pages of the index that are merged in one transaction."""

SHARE_TO_MERGE = 4
"""The index is merged as a whole when a quarter as many logs go as stay. A few at a time, SQLite
takes them out of it as it merges what comes."""


@dataclass(frozen=True)
class LogRow:
    """One build's log as it is kept, without its text. ``at``: when it was read; ``read_error``:
    why it, or the rest of it, could not be read."""

    build: int
    controller: str
    full_name: str
    number: int
    timestamp: int
    result: str | None
    at: int
    size: int
    left_out: int
    read_error: str | None


_COLUMNS = (
    "l.build, c.name, j.full_name, b.number, b.timestamp, b.result, l.at, l.size, l.left_out,"
    " l.absent"
)
_FROM = (
    " from log l join build b on b.id = l.build join job j on j.id = b.job"
    " join controller c on c.id = j.controller"
)


class Logs:
    """The tables ``log`` and ``log_words``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def of_build(self, full_name: str, number: int) -> list[LogRow]:
        """What is kept of it, on any controller; of a job created anew, the newest first."""
        return self._rows(
            f"select {_COLUMNS}{_FROM} where j.full_name = ? and b.number = ?"
            " order by b.generation desc",
            full_name, number,
        )  # fmt: skip

    def with_words(self, words: str, since: int) -> list[LogRow]:
        """The logs in which all ``words`` are, an FTS5 expression without phrases; of builds that
        started at or after ``since``, the newest first."""
        return self._rows(
            f"select {_COLUMNS}{_FROM} where l.build in"
            " (select rowid from log_words where log_words match ?)"
            " and b.timestamp >= ? order by b.timestamp desc",
            words, since,
        )  # fmt: skip

    def text(self, build: int) -> bytes:
        """The text that is kept; empty where none is."""
        with self._file.guarded("read a log"):
            row = self._file.conn.execute(
                "select text from log where build = ?", (build,)
            ).fetchone()
            return unpack(row[0]) if row is not None and row[0] is not None else b""

    def forget(self, age: LogAge) -> int:
        """Drop the logs that are too old, and their words. Returns how many."""
        dropped = 0
        while gone := self._forget_some(age):
            dropped += gone
        (stay,) = self._file.rows("select count(*) as count from log")
        if dropped * SHARE_TO_MERGE > stay["count"]:
            self._merge()
        return dropped

    def _merge(self) -> None:
        """Merge the whole index, a part in each transaction: others may write in between."""
        step = -PAGES_MERGED  # negative: all parts of it are to become one
        while True:
            with self._file.write("tidy the index of logs") as conn:
                before = conn.total_changes
                conn.execute("insert into log_words (log_words, rank) values ('merge', ?)", (step,))
                if conn.total_changes - before < 2:  # as SQLite documents
                    return
            step = PAGES_MERGED

    def _forget_some(self, age: LogAge) -> int:
        with self._file.write("drop logs") as conn:
            rows = conn.execute(
                f"select build, text from log where {is_too_old('log')} limit ?3",
                (*age, FORGOTTEN_AT_ONCE),
            ).fetchall()
            _drop(conn, rows)
        return len(rows)

    def _rows(self, query: str, *values: object) -> list[LogRow]:
        with self._file.guarded("read logs"):
            return [LogRow(*row) for row in self._file.conn.execute(query, values)]


def keep_log(conn: sqlite3.Connection, build: int, log: KeptLog, at: int) -> None:
    """Keep what was read of a build's log, in the place of what was kept before."""
    if log.packed is None and log.read_error is None:
        return
    _drop(conn, conn.execute("select build, text from log where build = ?", (build,)).fetchall())
    conn.execute(
        "insert into log values (?, ?, ?, ?, ?, ?)",
        (build, at, log.size, log.left_out, log.read_error, log.packed),
    )
    if log.packed is not None:
        conn.execute(
            "insert into log_words (rowid, text) values (?, ?)", (build, _words(log.packed))
        )


def _drop(conn: sqlite3.Connection, rows: Iterable[tuple[int, bytes | None]]) -> None:
    for build, packed in rows:
        if packed is not None:
            # The index holds no text: it has to be told what to take out.
            conn.execute(
                "insert into log_words (log_words, rowid, text) values ('delete', ?, ?)",
                (build, _words(packed)),
            )
        conn.execute("delete from log where build = ?", (build,))


def _words(packed: bytes) -> str:
    return unpack(packed).decode()
