"""Builds that are asked for again, each with its own tries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from poller.ledger.file import LedgerFile
from poller.ledger.records import Pending


class PendingBuilds:
    """The table ``pending``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def of_jobs(self, controller: int) -> dict[int, dict[int, Pending]]:
        """By job's id and number, of each job's present generation."""
        found: dict[int, dict[int, Pending]] = {}
        with self._file.guarded("read pending builds"):
            for job, number, *pending in self._file.conn.execute(
                "select p.job, p.number, p.kind, p.tries, p.since, p.retry_at, p.why"
                " from pending p join job j on j.id = p.job and j.generation = p.generation"
                " where j.controller = ?",
                (controller,),
            ):
                found.setdefault(job, {})[number] = Pending(*pending)
        return found

    def shown(self, controller: str, limit: int) -> list[dict[str, Any]]:
        """Job, number, kind, tries, since, retry_at and why, those that wait longest first."""
        return self._file.rows(
            "select j.full_name as job, p.number, p.kind, p.tries, p.since, p.retry_at, p.why"
            " from pending p join job j on j.id = p.job and j.generation = p.generation"
            " join controller c on c.id = j.controller where c.name = ?"
            " order by p.since limit ?",
            controller,
            limit,
        )

    def counts(self, controller: str) -> dict[str, int]:
        """How many builds wait, by kind."""
        rows = self._file.rows(
            "select p.kind, count(*) as n from pending p"
            " join job j on j.id = p.job and j.generation = p.generation"
            " join controller c on c.id = j.controller where c.name = ? group by 1",
            controller,
        )
        return {row["kind"]: row["n"] for row in rows}


def record_pending(
    conn: sqlite3.Connection,
    job: int,
    generation: int,
    pending: Mapping[int, Pending],
    resolved: Iterable[int],
) -> None:
    """Record which builds of a job are asked for again, as a part of recording its builds."""
    conn.executemany(
        "delete from pending where job = ? and generation = ? and number = ?",
        ((job, generation, number) for number in resolved),
    )
    conn.executemany(
        "insert or replace into pending values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (job, generation, number, one.kind, one.tries, one.since, one.retry_at, one.why)
            for number, one in pending.items()
        ),
    )
