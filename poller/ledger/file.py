"""The ledger's file: opened, written in transactions, and each SQLite error one sentence."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from poller.core.errors import LedgerBusy, LedgerError, LedgerUnwritable
from poller.core.private_files import open_private
from poller.ledger.locks import can_not, directory_lock, held_by, is_there
from poller.ledger.schema import migrations

LONGEST_WAIT = 30.0
"""Seconds that a command waits while another program holds the file: it stands still meanwhile."""

RESTORE = "move the file away and restore it from a backup; nothing was overwritten"
WAL_LIMIT = 64 * 1024 * 1024
"""Bytes that the write-ahead log keeps on disk after a long transaction."""

SYNC_SECONDS = 1.0
"""A transaction is on the disk itself when it is committed, unless one was within so many seconds
before. Without power, what came after the last of those is lost; the file stays whole."""

NEEDED_SPACE = 4 * 1024 * 1024
"""Bytes that must be free before a disk that was full counts as writable again: more than what one
collection mostly needs."""

TEMPORARY = frozenset(
    (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
    )
)
"""SQLite's results, without their details, that say nothing against the file itself."""


class LedgerFile:
    """One SQLite file. Not shared between threads; other processes may use the file beside it.

    Raises LedgerError when it can't be opened, is of a newer version, or is no ledger; nothing in
    it is touched then.

    ``wait`` is how many seconds it stands still while another program holds the file; LedgerBusy
    then, and at once from then on, until a transaction was possible: many that fail in a row would
    take as long as one that waits for ever.
    """

    def __init__(self, path: Path, *, read_only: bool = False, wait: float = LONGEST_WAIT) -> None:
        self.path = path
        self._wait = wait
        self._busy = False
        self._synced = -SYNC_SECONDS
        self._syncs: bool | None = None
        with self.guarded("open"):
            if not read_only:
                _create(path)
            self.conn = _connect(path, read_only, wait)
            try:
                self._bring_up_to_date(read_only)
            except (LookupError, TypeError, ValueError, AssertionError) as error:
                # sqlite-utils takes the schema of a damaged file as it comes.
                self.conn.close()
                raise LedgerError(
                    f"ledger {path}: can't open: its schema is malformed: {error!r}", RESTORE
                ) from error
            except BaseException:
                self.conn.close()
                raise
            self._place = _place(path)

    def _bring_up_to_date(self, read_only: bool) -> None:
        db = Database(self.conn)
        # Nothing is read before: while another one turns the write-ahead log on, SQLite refuses a
        # first look at once, without waiting.
        with directory_lock(self.path):
            self._refuse_newer(db)
            if migrations.pending(db):
                if read_only:
                    raise LedgerError(
                        f"ledger {self.path}: not yet brought to this version",
                        "run `sei-poller once` first",
                    )
                _set_wait(self.conn, LONGEST_WAIT)
                _migrate(db)
                _set_wait(self.conn, self._wait)
        self.conn.execute(f"pragma {'query_only' if read_only else 'foreign_keys'} = on")

    def _refuse_newer(self, db: Database) -> None:
        written = {migration.name for migration in migrations.applied(db)}
        with Database(memory=True) as empty:
            ours = {migration.name for migration in migrations.pending(empty)}
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
        if self._place != _place(self.path):
            # What is open has no name any more: nobody would find what is written to it.
            raise LedgerUnwritable(
                f"ledger {self.path}: can't {doing}: it is gone, or another file is in its place"
            )
        with self.guarded(doing):
            now = time.monotonic()
            sync = now - self._synced >= SYNC_SECONDS
            if sync is not self._syncs:
                self.conn.execute(f"pragma synchronous = {'full' if sync else 'normal'}")
                self._syncs = sync
            # A service and a backfill on one file wait for each other at the start of a
            # transaction, never in its middle, where SQLite would refuse instead of waiting.
            self.conn.execute("begin immediate")
            try:
                yield self.conn
                self.conn.execute("commit")
                self._synced = now if sync else self._synced
            except BaseException:
                if self.conn.in_transaction:
                    self.conn.execute("rollback")
                raise
            if self._busy:
                self._busy = False
                _set_wait(self.conn, self._wait)

    def try_writing(self) -> None:
        """After a write failed: open the file anew and write a little, with as much room beside it
        as work takes. Raises LedgerUnwritable while that fails, LedgerError where another file has
        taken its place; none is made."""
        with self.guarded("write"):
            place = _place(self.path)
            if place is None:
                raise LedgerUnwritable(f"ledger {self.path}: it is gone", "is its disk mounted?")
            if self._place is None or place[1] != self._place[1]:
                # The log beside it is of the file before, and would be played back into this one.
                with contextlib.suppress(sqlite3.Error):
                    self.conn.execute("pragma wal_checkpoint(truncate)")
                raise LedgerError(
                    f"ledger {self.path}: another file is in its place",
                    "the next start goes on with that one; stop the service before you restore one",
                )
            # A file system that was away has let go of what was open on it.
            conn = _connect(self.path, read_only=False, wait=0.0 if self._busy else self._wait)
            try:
                db = Database(conn)
                self._refuse_newer(db)
                if migrations.pending(db):
                    raise LedgerError(f"ledger {self.path}: it is not the file that it was")
                conn.execute("pragma foreign_keys = on")
            except BaseException:
                conn.close()
                raise
            self.conn, before, self._place = conn, self.conn, place
            self._syncs = None
            before.close()
        with self.write("write"):
            self.conn.execute("pragma user_version = 0")
        _require_space(self.path)

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
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            kind = LedgerUnwritable if code in TEMPORARY else LedgerError
            what, hint = f"ledger {self.path}: can't {doing}: {error}", _hint(error)
            if code == sqlite3.SQLITE_BUSY:
                kind = LedgerBusy
                holders = ", ".join(held_by(self.path))
                what += f" by {holders}" if holders else ""
                hint = "let that end, then try again; nothing is lost"
                if not holders:
                    hint = f"`fuser -v {self.path}` names who holds it; {hint}"
                self._busy = True
                _set_wait(self.conn, 0.0)
            raise kind(what, hint) from error


def _migrate(db: Database) -> None:
    """Bring the file up to date."""
    if not db.table_names():
        # Freed pages can then be given back bit by bit, without a VACUUM of the whole file.
        db.conn.execute("pragma auto_vacuum = incremental")
    db.enable_wal()
    migrations.apply(db)


def _place(path: Path) -> tuple[int, int] | None:
    """Which file is there: device and inode. A disk that was away may come back as another device.
    None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _create(path: Path) -> None:
    """Make the file where there is none."""
    try:
        # One that is there is not opened: closing it again would end the locks that SQLite holds on
        # it in this process (sqlite.org/howtocorrupt.html, 2.2), and another one would take the
        # write-ahead log away. Payloads hold what teams build and who builds it: for the service's
        # user only. SQLite gives the files beside it the same mode.
        os.close(open_private(path, os.O_RDWR | os.O_EXCL))
    except FileExistsError:
        pass
    except OSError as error:
        raise can_not(f"ledger {path}: can't write it", error, "check [ledger] path") from error


def _require_space(path: Path) -> None:
    """Raise LedgerUnwritable without space for :data:`NEEDED_SPACE` bytes beside the file."""
    beside = path.with_name(f"{path.name}.room")
    try:
        try:
            with os.fdopen(open_private(beside, os.O_WRONLY), "wb") as file:
                for _ in range(NEEDED_SPACE // 65536):
                    file.write(bytes(65536))
                file.flush()
                os.fsync(file.fileno())
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerUnwritable(
            f"ledger {path}: can't write beside it: {error.strerror}", DISK_FULL
        ) from error


def _connect(path: Path, read_only: bool, wait: float) -> sqlite3.Connection:
    if read_only and not is_there(path):
        raise LedgerError(
            f"ledger {path}: there is none yet", "has `run` or `once` run with this config?"
        )
    mode = "ro" if read_only else "rw"
    conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=wait)
    if not read_only:
        conn.execute(f"pragma journal_size_limit = {WAL_LIMIT}")
    return conn


def _set_wait(conn: sqlite3.Connection, seconds: float) -> None:
    """How long a statement waits while another program holds the file."""
    conn.execute(f"pragma busy_timeout = {int(seconds * 1000)}")


DISK_FULL = "make room on its disk; nothing collected is lost"


def _hint(error: sqlite3.Error) -> str:
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return RESTORE
    if "full" in text:
        return DISK_FULL
    if "I/O" in text:
        return "look at its disk: is it full, mounted, healthy?"
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return "check the file's owner and the [ledger] path"
    return ""
