"""The ledger's place: can it be written, how much room is left. Nothing is made or changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from poller.check.finding import LEDGER, Finding
from poller.errors import LedgerError
from poller.ledger import Ledger

LEAST_FREE = 100 * 1024 * 1024
SUBJECT = "ledger"


def ledger(path: Path) -> Finding:
    """One finding about the ledger and its folder."""
    folder = next(parent for parent in (path.parent, *path.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    saw = f"{path}, {free // 2**20:,} MiB free"
    there = path.exists()
    if not there:
        saw += ", none yet"
    for one in (folder, path) if there else (folder,):
        if not os.access(one, os.W_OK | (os.X_OK if one == folder else 0)):
            return Finding(
                "wrong", SUBJECT, f"{path}: {one} can't be written by this user",
                "run as the service's user, or check the [ledger] path and its owner",
                LEDGER,
            )  # fmt: skip
    if free < LEAST_FREE:
        return Finding("wrong", SUBJECT, saw, "make room on its disk")
    if there:
        try:
            Ledger(path, read_only=True).close()
        except LedgerError as error:
            return Finding("wrong", SUBJECT, str(error), error.hint, LEDGER)
        saw += f", {path.stat().st_size // 2**10:,} KiB"
    return Finding("ok", SUBJECT, saw)
