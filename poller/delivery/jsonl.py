"""A file with one job run a line: for a dry run, or a data lake."""

from __future__ import annotations

import os
from pathlib import Path

from poller.core.errors import Unreachable
from poller.core.private_files import open_private
from poller.delivery.sink import Receipt

CREATED = 201


class JsonlSink:
    """Appends runs to a file; a line is on the disk before it counts as delivered."""

    name = "jsonl"
    in_flight = 1

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, payload: bytes) -> Receipt:
        """Append one line. Raises Unreachable when the file can't be written."""
        try:
            descriptor = open_private(self._path, os.O_APPEND | os.O_WRONLY)
            try:
                _write_line(descriptor, payload + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unreachable(
                "jsonl",
                str(self._path),
                error.strerror or str(error),
                "check the [jsonl] path and its disk",
            ) from error
        return Receipt(CREATED)

    async def aclose(self) -> None:
        """Nothing is held between lines."""


def _write_line(descriptor: int, line: bytes) -> None:
    """All of the line or none of it: a disk that fills up must not leave half a run behind."""
    before = os.fstat(descriptor).st_size
    written = os.write(descriptor, line)
    if written < len(line):
        os.ftruncate(descriptor, before)
        raise OSError(28, "no space left on device")
