"""Why builds failed: the first cause of each failure, and the tests that failed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from poller.core.kept_log import pack, unpack
from poller.ledger.file import LedgerFile
from poller.ledger.logs.steps import StepLog, StepRef, keep_step_logs

FORGOTTEN_AT_ONCE = 500
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
        rows = self._file.rows(
            "select suite, class_name, name, status, duration, message, trace"
            " from test_failure where build = ? order by place",
            build,
        )
        return [
            FailedTest(**row | {"trace": unpack(row["trace"]).decode() if row["trace"] else ""})
            for row in rows
        ]

    def forget(self, read_before: int) -> int:
        """Drop step logs, causes and failed tests that were read before then. Returns how many
        rows. Those of a build that began later were read by a clock that was behind."""
        return sum(
            self._forget(table, read_before) for table in ("step_log", "failure", "test_failure")
        )

    def _forget(self, table: str, read_before: int) -> int:
        dropped = 0
        while True:
            with self._file.write(f"drop rows of {table}") as conn:
                gone = conn.execute(
                    f"delete from {table} where rowid in (select f.rowid from {table} f"
                    " where f.at < ?1 and (select timestamp from build where id = f.build) < ?1"
                    " limit ?2)",
                    (read_before, FORGOTTEN_AT_ONCE),
                ).rowcount
            dropped += gone
            if gone < FORGOTTEN_AT_ONCE:
                return dropped


def keep_failure(conn: sqlite3.Connection, build: int, found: FailureFacts, at: int) -> None:
    """Keep what was found out about a build, in the place of what was kept before."""
    keep_step_logs(conn, build, found.logs, at)
    conn.execute("delete from failure where build = ?", (build,))
    conn.execute("delete from test_failure where build = ?", (build,))
    if (cause := found.cause) is not None:
        of = cause.of or StepRef("", "")
        conn.execute(
            "insert into failure values (?, ?, ?, ?, nullif(?, ''), ?, ?, ?, ?, ?)",
            (
                build, at, cause.category, cause.cause, of.stage, of.stage_name, of.step,
                of.step_name, cause.place, cause.line,
            ),
        )  # fmt: skip
    conn.executemany(
        "insert into test_failure values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                build, place, at, test.suite, test.class_name, test.name, test.status,
                test.duration, test.message, pack(test.trace.encode()) if test.trace else None,
            )
            for place, test in enumerate(found.tests)
        ),
    )  # fmt: skip
