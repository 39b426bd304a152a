"""Logs of failed steps in the ledger: masked and compressed, as console logs are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from poller.core.kept_log import KeptLog, unpack
from poller.ledger.file import LedgerFile


@dataclass(frozen=True)
class StepRef:
    """A step, or a stage in which no step failed: ``step`` is None then. ``stage`` and
    ``step`` are Jenkins' ids, ``result`` is SEI's word."""

    stage: str
    stage_name: str
    step: str | None = None
    step_name: str = ""
    result: str = "FAILURE"


@dataclass(frozen=True)
class StepLog:
    """What is kept of the log of a failed step. ``source`` is the key of the plugin that gave it,
    or ``console``: the part of the console log that is its own."""

    of: StepRef
    source: str
    kept: KeptLog


@dataclass(frozen=True)
class StepLogRow:
    """One as the ledger has it, without its text. ``place`` counts from 0: what failed first comes
    first; ``size``, ``left_out`` and ``read_error`` are those of a KeptLog."""

    build: int
    place: int
    of: StepRef
    source: str
    size: int
    left_out: int
    read_error: str | None


class StepLogs:
    """The table ``step_log``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def of_build(self, build: int) -> list[StepLogRow]:
        """Those of a build, by its id in the ledger, what failed first first."""
        with self._file.guarded("read step logs"):
            rows = self._file.conn.execute(
                "select build, place, stage, stage_name, step, step_name, result, source, size,"
                " left_out, absent from step_log where build = ? order by place",
                (build,),
            )
            return [StepLogRow(row[0], row[1], StepRef(*row[2:7]), *row[7:]) for row in rows]

    def text(self, build: int, place: int) -> bytes:
        """The text that is kept of one; empty where none is."""
        with self._file.guarded("read a step log"):
            row = self._file.conn.execute(
                "select text from step_log where build = ? and place = ?", (build, place)
            ).fetchone()
            return unpack(row[0]) if row is not None and row[0] is not None else b""


def keep_step_logs(conn: sqlite3.Connection, build: int, logs: Sequence[StepLog], at: int) -> None:
    """Keep what was read of a build's step logs, in the place of what was kept before."""
    conn.execute("delete from step_log where build = ?", (build,))
    conn.executemany(
        "insert into step_log values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                build, place, log.of.stage, log.of.stage_name, log.of.step, log.of.step_name,
                log.of.result, log.source, at, log.kept.size, log.kept.left_out,
                log.kept.read_error, log.kept.packed,
            )
            for place, log in enumerate(logs)
        ),
    )  # fmt: skip
