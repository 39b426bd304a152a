"""Builds in the ledger: all that one collection learned of a job is recorded in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from poller.core.build_key import BuildKey
from poller.ledger.executions import SINK as IACM
from poller.ledger.executions import record_execution
from poller.ledger.file import LedgerFile
from poller.ledger.incomplete import record_incomplete
from poller.ledger.logs.archive import keep_log
from poller.ledger.logs.failures import keep_failure
from poller.ledger.pending import record_pending
from poller.ledger.queueing import Queueing, put_in_outbox
from poller.ledger.records import (
    GONE,
    REOPENED,
    Batch,
    BuildRow,
    JobState,
    KnownBuild,
    Predecessor,
    RecordResult,
)
from poller.ledger.stage_sources import count_trees, keep_depths
from poller.ledger.watermark import advance

_KNOWN = "b.number, b.timestamp, b.queue_id, b.job, b.generation, b.state, b.reason, b.build_number"
_REOPENED = ", ".join(f"'{reason}'" for reason in REOPENED)
_MAY_CHANGE = (
    "build.state = 'in_flight' or (build.state = 'skipped' and build.reason in"
    f" ({_REOPENED}) and (excluded.state <> 'skipped' or excluded.reason not in ({_REOPENED})))"
)
"""When a build's row may change: what is settled stays, but for a reason that may prove wrong."""


class Builds:
    """The tables ``build`` and ``payload``, and the progress of jobs that moves with them."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def of_job(self, job: JobState, numbers: Iterable[int]) -> list[KnownBuild]:
        """Those of ``numbers`` that the ledger has in the job's present generation."""
        return self._known(
            f"select {_KNOWN} from json_each(?) n"
            " cross join build b on b.job = ? and b.generation = ? and b.number = n.value",
            json.dumps(list(numbers)), job.id, job.generation,
        )  # fmt: skip

    def same(self, controller: int, job: JobState, starts: Iterable[BuildKey]) -> list[KnownBuild]:
        """Those of ``starts`` that the ledger has under any generation or name. Under another name
        only the queue id tells that it is the same build."""
        with self._file.guarded("read builds"):
            return list(_same(self._file.conn, controller, job.id, starts))

    def sent_number(
        self, controller: int, full_name: str, number: int, started: int, *, renumber: bool
    ) -> int:
        """What SEI knows a build by: as it was sent, else as it will be. ``started`` is epoch ms,
        0 where it is not known."""
        with self._file.guarded("read builds"):
            row = self._file.conn.execute(
                "select coalesce((select build_number from build"
                "   where timestamp = ?4 and number = ?3 and job = j.id),"
                " (select build_number from build"
                "   where ?4 = 0 and job = j.id and generation = j.generation and number = ?3),"
                " ?3 + iif(?5, j.number_offset, 0))"
                " from job j where j.controller = ?1 and j.full_name = ?2",
                (controller, full_name, number, started, renumber),
            ).fetchone()
        return number if row is None else int(row[0])

    def highest_sent(self, job: JobState, before: int) -> int:
        """The highest number that SEI has of a job's name, of generations ``before``; 0: none."""
        with self._file.guarded("read builds"):
            row = self._file.conn.execute(
                "select max(build_number) from build where job = ? and generation < ?",
                (job.id, before),
            ).fetchone()
        return int(row[0] or 0)

    def newest_start(self) -> int | None:
        """When the newest build of all began, epoch milliseconds; None where there is none."""
        (row,) = self._file.rows("select max(timestamp) as newest from build")
        return None if row["newest"] is None else int(row["newest"])

    def record(self, controller: int, batch: Batch, sinks: Sequence[str], at: int) -> RecordResult:
        """Record builds, payloads, deliveries and progress of a job in one transaction.

        Builds in flight of an earlier generation are gone unless the present one has them. A build
        that is collected or skipped already stays as it is, whatever its job is called now.
        """
        with self._file.write(f"record builds of {batch.job.full_name}") as conn:
            job = _save_job(conn, controller, batch)
            if job is None:
                return RecordResult(stale=True)
            if batch.source is not None:
                _take_over(conn, batch.source, job, batch.job.generation)
            _skip_in_flight(conn, job, batch.job.generation - 1)
            elsewhere = _elsewhere(conn, controller, job, batch)
            saved, trees = [], list[bool]()
            queue = Queueing(controller, at, batch.examined is None)
            for build in batch.builds:
                row = _save_build(conn, job, batch.job, build, elsewhere.get(build.key.number))
                if row is not None:
                    saved.append((build.state, build.key.number))
                    if build.payload is not None:
                        record_execution(conn, row, build.execution, build.no_execution)
                        receivers = [one for one in sinks if one != IACM or build.execution]
                        put_in_outbox(conn, row, build.payload, receivers, queue)
                        keep_depths(conn, row, build.depths)
                    if build.has_tree is not None:
                        trees.append(build.has_tree)
                    if build.incomplete is not None:
                        record_incomplete(conn, row, build.incomplete, at)
                    if build.log is not None:
                        keep_log(conn, row, build.log, at)
                    if build.failure is not None:
                        keep_failure(conn, row, build.failure, at)
            count_trees(conn, controller, trees)
            record_pending(conn, job, batch.job.generation, batch.pending, batch.resolved)
            advance(conn, job)
        collected = frozenset(number for state, number in saved if state == "collected")
        skipped = sum(state == "skipped" for state, _ in saved)
        return RecordResult(len(collected), skipped, numbers=collected)

    def record_running(self, builds: Iterable[tuple[JobState, BuildKey]]) -> None:
        """Record builds that run, of each job's present generation, as in flight. The job's
        progress stays: what lies before them was not examined."""
        with self._file.write("record running builds") as conn:
            conn.executemany(
                "insert into build (job, generation, number, timestamp, queue_id, duration, state)"
                " select id, generation, ?3, ?4, nullif(?5, 0), 0, 'in_flight' from job"
                " where id = ?1 and generation = ?2 on conflict do nothing",
                ((job.id, job.generation, *start) for job, start in builds),
            )

    def note_resumed(self, source: Predecessor, starts: Iterable[BuildKey]) -> None:
        """Note the queue ids that the builds of a renamed job have now: a pipeline that resumes
        gets another, and under its new name it is known by that alone."""
        with self._file.write("note resumed builds") as conn:
            conn.executemany(
                "update build set queue_id = ?3 where job = ?4 and generation = ?5"
                " and number = ?1 and timestamp = ?2 and queue_id <> ?3",
                ((*start, source.job, source.generation) for start in starts if start.queue_id),
            )

    def _known(self, query: str, *values: Any) -> list[KnownBuild]:
        with self._file.guarded("read builds"):
            return [_as_known(row) for row in self._file.conn.execute(query, values)]


def _as_known(row: tuple[Any, ...]) -> KnownBuild:
    number, timestamp, queue_id, job, generation, state, reason, build_number = row
    reopened = state == "skipped" and reason in REOPENED
    settled = state != "in_flight" and not reopened
    key = BuildKey(number, timestamp, queue_id or 0)
    offset = None if build_number is None else build_number - number
    return KnownBuild(key, job, generation, settled, reopened, offset)


def _same(
    conn: sqlite3.Connection, controller: int, job: int, starts: Iterable[BuildKey]
) -> Iterable[KnownBuild]:
    return map(
        _as_known,
        conn.execute(
            f"select {_KNOWN} from json_each(?) s"
            " cross join build b indexed by build_started"  # SQLite would go by the job
            " on b.timestamp = s.value ->> 1 and b.number = s.value ->> 0"
            " cross join job j on j.id = b.job where s.value ->> 1 > 0 and j.controller = ?"
            " and (b.job = ? or (b.queue_id > 0 and b.queue_id = s.value ->> 2))",
            (json.dumps(list(starts)), controller, job),
        ),
    )


def _save_job(conn: sqlite3.Connection, controller: int, batch: Batch) -> int | None:
    """The id of the job's row, or None when the row is of a later generation already."""
    job = batch.job
    newest = max((build.key for build in batch.builds), default=None)
    known = job.progress.newest
    if newest is None or (known is not None and known > newest):
        newest = known
    moves = batch.examined is not None
    examined = job.progress.examined if batch.examined is None else batch.examined
    next_build_number = None if batch.examined is None else batch.examined + 1
    saved = conn.execute(
        "insert into job (controller, full_name, class, generation, number_offset, examined,"
        " next_build_number, newest_number, newest_timestamp, newest_queue_id, gaps,"
        " failures, retry_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, 0)"
        " on conflict do update set class = excluded.class,"
        " number_offset = excluded.number_offset,"
        " watermark = iif(generation < excluded.generation, 0, watermark),"
        " examined = iif(?12 or generation < excluded.generation, excluded.examined, examined),"
        " next_build_number = iif(?12, excluded.next_build_number,"
        "   iif(generation < excluded.generation, null, next_build_number)),"
        " newest_number = excluded.newest_number, newest_timestamp = excluded.newest_timestamp,"
        " newest_queue_id = excluded.newest_queue_id, gaps = gaps + excluded.gaps,"
        " failures = iif(?12, 0, failures), retry_at = iif(?12, 0, retry_at),"
        " missing = iif(?12, 0, missing),"
        " generation = excluded.generation"
        " where generation <= excluded.generation returning id",
        (
            controller, job.full_name, batch.cls, job.generation, job.number_offset, examined,
            next_build_number, *(newest or (None, None, None)), batch.gaps, moves,
        ),
    ).fetchone()  # fmt: skip
    return None if saved is None else int(saved[0])


def _take_over(conn: sqlite3.Connection, source: Predecessor, job: int, generation: int) -> None:
    """Take over what is in flight of the history that goes on here. A job that was renamed leaves
    its name free: what is built under it from now on is another generation."""
    if (source.job, source.generation) == (job, generation):
        return
    conn.execute(
        "update or ignore build set job = ?, generation = ?"
        " where job = ? and generation = ? and state = 'in_flight' and number <= ?",
        (job, generation, source.job, source.generation, source.number),
    )
    if not source.moved:
        return
    conn.execute(
        "update job set generation = generation + 1, number_offset = number_offset"
        " + max(coalesce(next_build_number, 1) - 1, coalesce(newest_number, 0), examined),"
        " examined = 0, watermark = 0, next_build_number = null, newest_number = null,"
        " newest_timestamp = null, newest_queue_id = null where id = ? and generation = ?",
        (source.job, source.generation),
    )
    _skip_in_flight(conn, source.job, source.generation)


def _skip_in_flight(conn: sqlite3.Connection, job: int, generation: int) -> None:
    """Skip as gone what is in flight of that generation or an earlier one."""
    conn.execute(
        "update build set state = 'skipped', reason = ?"
        " where job = ? and state = 'in_flight' and generation <= ?",
        (GONE, job, generation),
    )
    conn.execute("delete from pending where job = ? and generation <= ?", (job, generation))


def _elsewhere(
    conn: sqlite3.Connection, controller: int, job: int, batch: Batch
) -> dict[int, KnownBuild]:
    """By number, the builds of the batch that the ledger has under another generation or name."""
    return {
        known.key.number: known
        for known in _same(conn, controller, job, [build.key for build in batch.builds])
        if (known.job, known.generation) != (job, batch.job.generation)
    }


def _save_build(
    conn: sqlite3.Connection, job_id: int, job: JobState, build: BuildRow, known: KnownBuild | None
) -> int | None:
    """The id of the build's row, None when nothing of it changed."""
    if known is not None:
        if known.settled:
            return None
        conn.execute(
            "update or ignore build set job = ?, generation = ?"
            " where job = ? and generation = ? and number = ?",
            (job_id, job.generation, known.job, known.generation, build.key.number),
        )
    saved = conn.execute(
        "insert into build (job, generation, number, timestamp, queue_id, duration, result, state,"
        " reason, build_number) values (?, ?, ?, ?, nullif(?, 0), ?, ?, ?, ?, ?)"
        " on conflict do update set timestamp = max(timestamp, excluded.timestamp),"
        " queue_id = coalesce(excluded.queue_id, queue_id), duration = excluded.duration,"
        " result = excluded.result, state = excluded.state, reason = excluded.reason,"
        " build_number = excluded.build_number"
        f" where {_MAY_CHANGE} returning id",
        (
            job_id, job.generation, *build.key, build.duration, build.result, build.state,
            build.reason, build.build_number,
        ),
    ).fetchone()  # fmt: skip
    return None if saved is None else int(saved[0])
