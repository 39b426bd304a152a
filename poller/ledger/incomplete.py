"""Runs that were sent without something that their build has: its stages, causes, a log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from poller.core.times import DAY_MS, HOUR_MS
from poller.ledger.file import LedgerFile
from poller.ledger.records import Incomplete

LOOKED_AT_MS = 7 * DAY_MS
"""How long a run that was sent without something is looked at again."""

FIRST_LOOK_MS, LONGEST_LOOK_MS = HOUR_MS, DAY_MS


class IncompleteBuilds:
    """The table ``incomplete``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def by_reason(self, controller: str, *, awaited: bool = False) -> dict[str, int]:
        """How many runs of the controller were sent without each of the reasons; ``awaited`` only
        those that are looked at again."""
        rows = self._file.rows(
            # SQLite would walk over every build: `cross` keeps the order.
            "select i.reasons, count(*) as n from incomplete i cross join build b on b.id = i.build"
            " join job j on j.id = b.job join controller c on c.id = j.controller"
            f" where c.name = ?{' and i.retry_at is not null' if awaited else ''} group by 1",
            controller,
        )
        counts: dict[str, int] = {}
        for row in rows:
            for reason in row["reasons"].split(",") if row["reasons"] else ["unknown"]:
                counts[reason] = counts.get(reason, 0) + row["n"]
        return counts

    def count(self, controller: str) -> int:
        """How many runs of the controller were sent without something."""
        rows = self._file.rows(
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

    def due(self, controller: int, now: int, limit: int) -> list[tuple[int, Incomplete]]:
        """The builds, by id, that are to be looked at again, with what they lack."""
        return [
            (row["build"], Incomplete(tuple(row["reasons"].split(",")), (row["why"],)))
            for row in self._file.rows(
                "select i.build, i.reasons, i.why from incomplete i indexed by incomplete_retry"
                " cross join build b on b.id = i.build join job j on j.id = b.job"
                " where i.retry_at <= ? and j.controller = ? order by i.retry_at limit ?",
                now, controller, limit,
            )
        ]  # fmt: skip

    def looked_at(self, builds: Iterable[int], now: int) -> None:
        """Note that these builds still lack what they lacked: they are looked at again later, for
        a week in all."""
        with self._file.write("note incomplete runs") as conn:
            conn.execute(
                "update incomplete set tries = tries + 1,"
                " retry_at = iif(until > ?1, ?1 + min(?2 << min(tries + 1, 10), ?3), null)"
                " where build in (select value from json_each(?4))",
                (now, FIRST_LOOK_MS, LONGEST_LOOK_MS, json.dumps(list(builds))),
            )


def record_incomplete(
    conn: sqlite3.Connection, build: int, incomplete: Incomplete, at: int
) -> None:
    """Record what the run of a build is sent without, as a part of recording the build."""
    conn.execute(
        "insert into incomplete (build, why, reasons, retry_at, until) values (?, ?, ?, ?, ?)"
        " on conflict do update set why = excluded.why, reasons = excluded.reasons",
        (
            build, "\n".join(incomplete.why), ",".join(incomplete.reasons),
            at + FIRST_LOOK_MS, at + LOOKED_AT_MS,
        ),
    )  # fmt: skip


def complete_now(conn: sqlite3.Connection, build: int) -> None:
    """Forget that something of a build was missing, as a part of queueing it again."""
    conn.execute("delete from incomplete where build = ?", (build,))
