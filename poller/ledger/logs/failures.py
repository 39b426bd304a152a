"""Why builds failed: the first cause of each failure, and the tests that failed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poller.core.kept_log import pack, unpack
from poller.ledger.file import LedgerFile
from poller.ledger.logs.steps import StepLog, StepRef, keep_step_logs
from poller.ledger.logs.waiting import LogAge, is_too_old

FORGOTTEN_AT_ONCE = 50
"""Rows that go in one transaction: others may write in between."""


@dataclass(frozen=True)
class FirstCause:
    """The line that explains a failure: a hint, no verdict. ``of`` is None where no step is known;
    ``place`` is that of the step log with the line, None for the console log; ``line`` counts from
    1, and is None for a message of the stage tree."""

    cause: str
    category: str
    of: StepRef | None = None
    place: int | None = None
    line: int | None = None


@dataclass(frozen=True)
class FailedTest:
    """A test that failed. ``status`` is Jenkins' own: FAILED or REGRESSION; ``duration`` is in
    milliseconds; all texts are masked and cut."""

    suite: str
    class_name: str
    name: str
    status: str
    duration: int
    message: str = ""
    trace: str = ""


@dataclass(frozen=True)
class FailureFacts:
    """What was found out about why one build failed; its ``logs``: what failed first, first."""

    logs: Sequence[StepLog] = ()
    cause: FirstCause | None = None
    tests: Sequence[FailedTest] = ()


class Failures:
    """The tables ``failure`` and ``test_failure``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def cause(self, build: int) -> FirstCause | None:
        """The first cause of a build's failure, by its id in the ledger; None: none is known."""
        rows = self._file.rows("select * from failure where build = ?", build)
        if not rows:
            return None
        row = rows[0]
        ids = row["stage"], row["stage_name"], row["step"], row["step_name"]
        of = None if row["stage"] is None else StepRef(*ids)
        return FirstCause(row["cause"], row["category"], of, row["place"], row["line"])

    def tests(self, build: int) -> list[FailedTest]:
        """The tests of a build that failed, in the order of its report."""
        with self._file.guarded("read failed tests"):
            rows = self._file.rows(
                "select suite, class_name, name, status, duration, message, trace"
                " from test_failure where build = ? order by place",
                build,
            )
            return [FailedTest(**row | {"trace": _text(row["trace"])}) for row in rows]

    def by_category(self, controller: str, since: int) -> dict[str, int]:
        """How many failed builds of the controller were recorded since then (epoch ms), by the
        category of their cause, the most first."""
        rows = self._file.rows(
            # SQLite would walk over every build: `cross` keeps the order.
            "select f.category, count(*) as n from failure f indexed by failure_at"
            " cross join build b on b.id = f.build cross join job j on j.id = b.job"
            " join controller c on c.id = j.controller where f.at >= ? and c.name = ?"
            " group by 1 order by n desc, 1",
            since, controller,
        )  # fmt: skip
        return {row["category"]: row["n"] for row in rows}

    def newest(self, controller: str, since: int, limit: int) -> list[dict[str, Any]]:
        """The last ones recorded, newest first: job, number, category, cause, stage, step."""
        return self._file.rows(
            "select j.full_name as job, b.number, f.category, f.cause,"
            " nullif(f.stage_name, '') as stage, nullif(f.step_name, '') as step"
            " from failure f indexed by failure_at"
            " cross join build b on b.id = f.build cross join job j on j.id = b.job"
            " join controller c on c.id = j.controller where f.at >= ? and c.name = ?"
            " order by f.at desc, f.build desc limit ?",
            since, controller, limit,
        )  # fmt: skip

    def builds(self, full_name: str, number: int) -> list[tuple[str, int]]:
        """Controller and id of each build of that name and number; of a job created anew, the
        newest first."""
        rows = self._file.rows(
            "select c.name, b.id from build b join job j on j.id = b.job"
            " join controller c on c.id = j.controller"
            " where j.full_name = ? and b.number = ? order by b.generation desc",
            full_name, number,
        )  # fmt: skip
        return [(row["name"], row["id"]) for row in rows]

    def forget(self, age: LogAge) -> int:
        """Drop step logs, causes and failed tests that are too old. Returns how many rows."""
        return sum(self._forget(table, age) for table in ("step_log", "failure", "test_failure"))

    def _forget(self, table: str, age: LogAge) -> int:
        dropped = 0
        while True:
            with self._file.write(f"drop rows of {table}") as conn:
                gone = conn.execute(
                    f"delete from {table} where rowid in (select f.rowid from {table} f"
                    f" where {is_too_old('f')} limit ?3)",
                    (*age, FORGOTTEN_AT_ONCE),
                ).rowcount
            dropped += gone
            if gone < FORGOTTEN_AT_ONCE:
                return dropped


def _text(packed: bytes | None) -> str:
    return "" if packed is None else unpack(packed).decode("utf-8", "replace")


def keep_failure(conn: sqlite3.Connection, build: int, found: FailureFacts, at: int) -> None:
    """Keep what was found out about a build, in the place of what was kept before. What Jenkins
    had, and has no more when a build is looked at again, is not forgotten."""
    if _has_texts(found.logs) or not _keeps_texts(conn, build):
        keep_step_logs(conn, build, found.logs, at)
        _keep_cause(conn, build, found.cause, at)
    if found.tests:
        _keep_tests(conn, build, found.tests, at)


def _has_texts(logs: Sequence[StepLog]) -> bool:
    return any(log.kept.packed is not None for log in logs)


def _keeps_texts(conn: sqlite3.Connection, build: int) -> bool:
    query = "select 1 from step_log where build = ? and text is not null"
    return conn.execute(query, (build,)).fetchone() is not None


def _keep_cause(conn: sqlite3.Connection, build: int, cause: FirstCause | None, at: int) -> None:
    conn.execute("delete from failure where build = ?", (build,))
    if cause is None:
        return
    of = cause.of or StepRef("", "")
    conn.execute(
        "insert into failure values (?, ?, ?, ?, nullif(?, ''), ?, ?, ?, ?, ?)",
        (
            build, at, cause.category, cause.cause, of.stage, of.stage_name, of.step,
            of.step_name, cause.place, cause.line,
        ),
    )  # fmt: skip


def _keep_tests(conn: sqlite3.Connection, build: int, tests: Sequence[FailedTest], at: int) -> None:
    conn.execute("delete from test_failure where build = ?", (build,))
    conn.executemany(
        "insert into test_failure values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                build, place, at, test.suite, test.class_name, test.name, test.status,
                test.duration, test.message, pack(test.trace.encode()) if test.trace else None,
            )
            for place, test in enumerate(tests)
        ),
    )  # fmt: skip
