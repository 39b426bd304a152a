"""The ledger's file: opened, written in transactions, and each SQLite error one sentence."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from poller.errors import LedgerError
from poller.ledger.schema import migrations
from poller.private import open_private

BUSY_TIMEOUT_MS = 30_000
RESTORE = "move the file away and restore it from a backup; nothing was overwritten"
WAL_LIMIT = 64 * 1024 * 1024
"""Bytes that the write-ahead log keeps on disk after a long transaction."""


class File:
    """One SQLite file. Not shared between threads; other processes may use the file beside it.

    Raises LedgerError when it can't be opened, is of a newer version, or is no ledger; nothing in
    it is touched then.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self.guarded("open"):
            self.conn = _connect(path, read_only)
            try:
                self._bring_up_to_date(read_only)
            except BaseException:
                self.conn.close()
                raise

    def _bring_up_to_date(self, read_only: bool) -> None:
        db = Database(self.conn)
        self._refuse_newer(db)
        if read_only:
            if migrations.pending(db):
                raise LedgerError(
                    f"ledger {self.path}: not yet brought to this version",
                    "run `sei-poller once` first",
                )
            self.conn.execute("pragma query_only = on")
            return
        if not db.table_names():
            # Freed pages can then be given back bit by bit, without a VACUUM of the whole file.
            self.conn.execute("pragma auto_vacuum = incremental")
        db.enable_wal()
        self.conn.execute(f"pragma journal_size_limit = {WAL_LIMIT}")
        migrations.apply(db)
        self.conn.execute("pragma foreign_keys = on")

    def _refuse_newer(self, db: Database) -> None:
        written = {migration.name for migration in migrations.applied(db)}
        ours = {migration.name for migration in migrations.pending(Database(memory=True))}
        if written - ours:
            raise LedgerError(
                f"ledger {self.path}: written by a newer version of this program",
                "upgrade this one, or give it another [ledger] path",
            )

    def close(self) -> None:
        """Close the file."""
        self.conn.close()

    @contextlib.contextmanager
    def write(self, doing: str) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, rolled back when anything is raised."""
        # BEGIN IMMEDIATE: a service and a backfill on one file wait for each other at the start of
        # a transaction, never in its middle, where SQLite would refuse instead of waiting.
        with self.guarded(doing):
            self.conn.execute("begin immediate")
            try:
                yield self.conn
                self.conn.execute("commit")
            except BaseException:
                if self.conn.in_transaction:
                    self.conn.execute("rollback")
                raise

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query gives, a dict a row."""
        with self.guarded("read"):
            cursor = self.conn.execute(query, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextlib.contextmanager
    def guarded(self, doing: str) -> Iterator[None]:
        """Every SQLite error inside becomes a LedgerError that says what could not be done."""
        try:
            yield
        except (zlib.error, UnicodeDecodeError) as error:
            raise LedgerError(
                f"ledger {self.path}: can't {doing}: it is malformed: {error}", RESTORE
            ) from error
        except sqlite3.Error as error:
            raise LedgerError(
                f"ledger {self.path}: can't {doing}: {error}", _cure(error)
            ) from error


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        try:
            # Payloads hold what teams build and who builds it: for the service's user only. SQLite
            # gives the files beside it the same mode.
            os.close(open_private(path, os.O_RDWR))
        except OSError as error:
            raise LedgerError(
                f"ledger {path}: can't write it: {error.strerror}",
                "check [ledger] path and its owner",
            ) from error
    elif not path.exists():
        raise LedgerError(
            f"ledger {path}: there is none yet", "has `run` or `once` run with this config?"
        )
    mode = "ro" if read_only else "rw"
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_MS / 1000
    )
    if not read_only:
        conn.execute("pragma synchronous = normal")
    return conn


def _cure(error: sqlite3.Error) -> str:
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return RESTORE
    if "full" in text:
        return "make room on its disk; nothing collected is lost"
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return "check the file's owner and the [ledger] path"
    if "locked" in text:
        return "another program holds the file for longer than 30 s: which?"
    return ""
