"""One process at a time: an advisory lock that the kernel takes back even after a SIGKILL."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from poller.core.errors import LedgerError, LedgerUnwritable
from poller.core.private_files import open_private

RIGHTS = "type it as root; of a service, `sei-poller check`, as root, says what its user lacks"


def can_not(what: str, error: OSError, hint: str) -> LedgerUnwritable:
    """The error of what can't be done with a file of the ledger's."""
    rights = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    return LedgerUnwritable(f"{what}: {error.strerror}", RIGHTS if rights else hint)


def is_there(ledger: Path) -> bool:
    """Whether the file is there. Raises LedgerError where that can't be seen."""
    try:
        ledger.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise can_not(f"ledger {ledger}: can't read it", error, "look at its disk") from error
    return True


@contextlib.contextmanager
def only_one(ledger: Path) -> Iterator[None]:
    """Hold the lock on polling with this ledger. Raises LedgerError when another process has it."""
    with _held(ledger.with_name(f"{ledger.name}.lock")) as held:
        if not held:
            raise LedgerError(
                f"ledger {ledger}: another `run` or `once` is at work on it",
                "let it end, or give this one another [ledger] path",
            )
        yield


@contextlib.contextmanager
def only_sender(ledger: Path, sink: str) -> Iterator[bool]:
    """Whether this process may send to ``sink`` now: two at once would send a run twice."""
    with _held(ledger.with_name(f"{ledger.name}.{sink}.lock")) as held:
        yield held


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    try:
        file = os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "a")
    except OSError as error:
        raise can_not(f"lock {path}", error, "is there room on its disk?") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextlib.contextmanager
def directory_lock(ledger: Path) -> Iterator[None]:
    """Wait for the lock on the ledger's directory and hold it: a service and a backfill that start
    at once do not both make the tables. To lock the file itself, and to close it again, would end
    the locks that SQLite holds on it. Raises LedgerError."""
    try:
        directory = os.open(ledger.parent, os.O_RDONLY)
    except OSError as error:
        raise can_not(
            f"ledger {ledger}: can't read its directory", error, "check [ledger] path"
        ) from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def held_by(ledger: Path) -> list[str]:
    """Who keeps others from writing to the ledger: `sqlite3 (process 4711)`, as far as Linux tells
    (proc_locks(5)). SQLite locks a byte of the file, with a write-ahead log one of that index."""
    places, found = set(), {}
    for path in (ledger, ledger.with_name(f"{ledger.name}-shm")):
        with contextlib.suppress(OSError):
            at = path.stat()
            device = f"{os.major(at.st_dev):02x}:{os.minor(at.st_dev):02x}"
            places.add(f"{device}:{at.st_ino}")
    with contextlib.suppress(OSError):  # no Linux, or a process of another container
        for line in Path("/proc/locks").read_text().splitlines():
            _, lock, _, access, process, place, *_ = line.split()
            if (lock, access) == ("POSIX", "WRITE") and place in places:
                name = Path(f"/proc/{process}/comm").read_text().strip()
                found[process] = f"{name} (process {process})"
    return list(found.values())
