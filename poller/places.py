"""Places at a server that the processes of one ledger share, as the service and a backfill do.

A place is a byte of a file beside the ledger, and a lock on it: the kernel takes it back whatever
becomes of the process.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import zlib
from collections.abc import Callable
from pathlib import Path

from poller.errors import LedgerError

EXCLUSIVE = fcntl.LOCK_EX | fcntl.LOCK_NB

A_SERVER = 64
"""Bytes a server: its places, and the last one for who is next."""

LOOK_SECONDS = 0.02
"""How often a place is looked for while there is none."""

PATIENCE = 60.0
"""Seconds after which who holds all places is taken to hang: it holds nobody up for longer."""

DISTRUST = 600.0
"""Seconds for which nobody waits after that."""


class Locks:
    """The file. One a process at a time: POSIX gives all its locks back when it is closed."""

    def __init__(self, ledger: Path) -> None:
        path = ledger.with_name(f"{ledger.name}.places")
        try:
            self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(
                f"lock {path}: {error.strerror}", "check the directory's owner"
            ) from error

    def close(self) -> None:
        """Give all back."""
        os.close(self._file)

    def take(self, at: int) -> bool:
        """Whether the byte is ours now."""
        try:
            fcntl.lockf(self._file, EXCLUSIVE, 1, at)
        except (BlockingIOError, PermissionError):  # POSIX allows both
            return False
        return True

    def give(self, at: int) -> None:
        """Somebody else's turn."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, at)


class Places:
    """``most`` places at the server ``name``; ``now`` is in seconds, and only goes forward.

    Within the process, no more than ``most`` may ask at once: that is for the caller.
    """

    def __init__(self, locks: Locks, name: str, most: int, now: Callable[[], float]) -> None:
        # Never 0, which would be no place.
        first = zlib.crc32(name.encode()) * A_SERVER + 1
        self._locks = locks
        self._free = list(range(first, first + most))
        self._next = first + A_SERVER - 2
        self._line = asyncio.Lock()
        self._now = now
        self._distrust_until = 0.0

    async def take(self) -> int | None:
        """A place; None where there has been none for so long that somebody hangs."""
        async with self._line:
            # Who waits is next, whatever process it is of: nobody takes a place before.
            if not (self._locks.take(self._next) or await self._wait(self._is_next)):
                return None
            try:
                return self._free_one() or await self._wait(self._free_one)
            finally:
                self._locks.give(self._next)

    def give(self, place: int | None) -> None:
        """Somebody else's turn."""
        if place is not None:
            self._locks.give(place)
            self._free.append(place)

    def _is_next(self) -> int | None:
        return self._next if self._locks.take(self._next) else None

    def _free_one(self) -> int | None:
        for place in self._free:
            if self._locks.take(place):
                self._free.remove(place)
                return place
        return None

    async def _wait(self, look: Callable[[], int | None]) -> int | None:
        """What ``look`` finds, as soon as it finds something, or None where that takes too long."""
        began = self._now()
        if began < self._distrust_until:
            return None
        while self._now() - began < PATIENCE:
            await asyncio.sleep(LOOK_SECONDS)
            if (found := look()) is not None:
                return found
        self._distrust_until = self._now() + DISTRUST
        return None
