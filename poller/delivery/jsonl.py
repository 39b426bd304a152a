"""A file with one job run a line: for a dry run, or a data lake."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from poller.core.errors import Unreachable
from poller.core.private_files import open_private
from poller.core.tasks import in_thread
from poller.delivery.sink import Receipt
from poller.ledger.deliveries.queue import QueuedDelivery

CREATED = 201

WRITE_SECONDS = 10.0
"""How long a line may take: a file system that hangs may never answer."""

NO_FILE = "not a regular file: a run that is written to a pipe or device can't be told from lost"


class JsonlSink:
    """Appends runs to a file; a line is on the disk before it counts as delivered."""

    name = "jsonl"
    in_flight = 1

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing: dict[bytes, asyncio.Future[None]] = {}
        """The lines whose end nobody waited for: each is written once."""

    async def send(self, delivery: QueuedDelivery) -> Receipt:
        """Append one line. Raises Unreachable when the file can't be written."""
        payload = delivery.payload
        writing = self._writing.pop(payload, None)
        if writing is None:
            if any(not one.done() for one in self._writing.values()):
                raise self._unreachable("the line before is still being written")
            writing = in_thread(lambda: _append(self._path, payload + b"\n"))
        try:
            await asyncio.wait_for(asyncio.shield(writing), WRITE_SECONDS)
        except TimeoutError:
            self._writing[payload] = writing
            raise self._unreachable(f"not written in {WRITE_SECONDS:g} s") from None
        except OSError as error:
            raise self._unreachable(error.strerror or str(error)) from error
        return Receipt(CREATED)

    async def aclose(self) -> None:
        """Nothing is held between lines."""

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable("jsonl", str(self._path), why, "check the [jsonl] path and its disk")


def check_regular(path: Path) -> None:
    """Raise OSError where the path is no regular file; there may be none yet."""
    if path.exists() and not path.is_file():
        raise OSError(0, NO_FILE)


def _append(path: Path, line: bytes) -> None:
    """All of the line or none of it: a disk that fills up must not leave half a run behind."""
    # A pipe without a reader is not waited for.
    descriptor = open_private(path, os.O_APPEND | os.O_RDWR | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, NO_FILE)
        before = found.st_size
        if before and os.pread(descriptor, 1, before - 1) != b"\n":
            line = b"\n" + line  # the end of a line that a power cut left torn
        if os.write(descriptor, line) < len(line):
            os.ftruncate(descriptor, before)
            raise OSError(28, "no space left on device")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
