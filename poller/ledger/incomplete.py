"""Runs that went without something that their build has: a manifest, a log, causes further up."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from poller.ledger.file import LedgerFile


class Incomplete:
    """The table ``incomplete``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def count(self, controller: str) -> int:
        """How many runs of the controller went without something."""
        rows = self._file.rows(
            # SQLite would walk over every build: `cross` keeps the order.
            "select count(*) as n from incomplete i cross join build b on b.id = i.build"
            " join job j on j.id = b.job join controller c on c.id = j.controller"
            " where c.name = ?",
            controller,
        )
        return int(rows[0]["n"])

    def newest(self, controller: str, limit: int) -> list[dict[str, Any]]:
        """Job, number and why of the last ones recorded, newest first."""
        return self._file.rows(
            "select j.full_name as job, b.number, i.why from incomplete i"
            " cross join build b on b.id = i.build join job j on j.id = b.job"
            " join controller c on c.id = j.controller where c.name = ?"
            " order by i.build desc limit ?",
            controller,
            limit,
        )


def record_incomplete(conn: sqlite3.Connection, build: int, missing: Sequence[str]) -> None:
    """Note what the run of a build goes without, as a part of recording it."""
    if missing:
        conn.execute("insert or replace into incomplete values (?, ?)", (build, "\n".join(missing)))
