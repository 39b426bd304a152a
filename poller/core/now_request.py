"""Requests to a running service to ask at once for all that waits: lines of a file beside the
ledger. Whoever may write there can make one, from another container, too."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from poller.core.private_files import open_private

MOST_BYTES = 64 * 1024
"""What is read of the file: some hundred requests."""


def request_file(ledger: Path) -> Path:
    """The file of the requests; it is gone when they were taken."""
    return ledger.with_name(f"{ledger.name}.now")


def make_request(ledger: Path, controller: str | None) -> None:
    """Ask for the controller of that name, or for all controllers and sinks. Raises OSError."""
    path = request_file(ledger)
    while True:
        with os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_there(path, file.fileno()):  # it was not taken just now
                file.write(json.dumps(controller) + "\n")
                return


def take_requests(ledger: Path) -> list[str | None]:
    """The controllers of all requests, None for everything; they are gone then. Raises OSError."""
    path = request_file(ledger)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return []
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []  # one is being made
        lines = file.read(MOST_BYTES).splitlines()
        path.unlink(missing_ok=True)
    return list(_controllers(lines))


def _controllers(lines: list[bytes]) -> Iterator[str | None]:
    for line in lines:
        with contextlib.suppress(ValueError):
            controller = json.loads(line)
            if controller is None or isinstance(controller, str):
                yield controller


def _is_there(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
