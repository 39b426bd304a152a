"""What the ledger says of builds that are compared with Jenkins, and how far a backfill is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from poller.core.build_key import BuildKey
from poller.ledger.file import LedgerFile
from poller.ledger.records import REOPENED, JobState

_ENTRY = (
    "b.id, b.number, b.timestamp, b.queue_id, b.state, b.reason, b.result, b.duration,"
    " iif(b.job = ?3, b.build_number - b.number, null),"
    " (select group_concat(sink) from delivery d where d.build = b.id and d.state = 'queued')"
)


@dataclass(frozen=True)
class LedgerEntry:
    """One build as the ledger has it; ``queued`` are the sinks that it waits for. ``shift`` is what
    its number at SEI is more than Jenkins', None where it was not sent under the job's name."""

    id: int
    key: BuildKey
    state: str
    reason: str | None
    result: str | None
    duration: int
    queued: tuple[str, ...]
    shift: int | None = None


class Reconciliation:
    """Reads the tables ``build`` and ``delivery``, reopens builds; keeps ``backfill``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def entries(
        self, controller: int, job: JobState, starts: Iterable[BuildKey]
    ) -> list[LedgerEntry]:
        """Those of ``starts`` that the ledger has, under whatever generation or name. A build whose
        start Jenkins does not tell (0), or did not, is looked for by its number alone."""
        with self._file.guarded("read builds"):
            return [
                LedgerEntry(
                    build, BuildKey(number, timestamp, queue_id or 0),
                    state, reason, result, duration,
                    tuple(queued.split(",")) if queued else (), shift,
                )
                for build, number, timestamp, queue_id, state, reason, result, duration,
                shift, queued
                in self._file.conn.execute(
                    f"select {_ENTRY} from json_each(?1) s"
                    " cross join build b indexed by build_started"
                    " on b.timestamp = s.value ->> 1 and b.number = s.value ->> 0"
                    " cross join job j on j.id = b.job"
                    " where s.value ->> 1 > 0 and j.controller = ?2"
                    " and (b.job = ?3 or (b.queue_id > 0 and b.queue_id = s.value ->> 2))"
                    f" union all select {_ENTRY} from json_each(?1) s"
                    " cross join build b on b.job = ?3 and b.generation = ?4"
                    " and b.number = s.value ->> 0 where 0 in (s.value ->> 1, b.timestamp)",
                    (json.dumps(list(starts)), controller, job.id, job.generation),
                )
            ]  # fmt: skip

    def reopen(self, builds: Iterable[int]) -> None:
        """Have builds, by id, looked at again that were skipped for what they were: they are in
        flight until they are collected. What was lost or broken is looked at again anyway."""
        with self._file.write("look at skipped builds again") as conn:
            conn.execute(
                "update build set state = 'in_flight', reason = null where state = 'skipped'"
                " and id in (select value from json_each(?))"
                " and reason not in (select value from json_each(?))",
                (json.dumps(list(builds)), json.dumps(REOPENED)),
            )

    def record_check(self, job: int, at: int) -> None:
        """Note that a job has been compared with Jenkins."""
        with self._file.write("note a check") as conn:
            conn.execute("update job set checked_at = ? where id = ?", (at, job))

    def least_recently_checked(self, controller: int, now: int) -> Sequence[str]:
        """Full names of all jobs, those to be compared next first: those with builds since they
        were compared last, and of these the one longest ago. What was compared after ``now``, by a
        clock that was ahead, counts as never compared."""
        with self._file.guarded("read jobs"):
            return [
                name
                for name, _ in self._file.conn.execute(
                    "select full_name, iif(checked_at > ?2, 0, checked_at) as checked from job"
                    " where controller = ?1"
                    " order by coalesce(newest_timestamp, 0) < checked, checked, id",
                    (controller, now),
                )
            ]

    # -- backfills

    def backfilled_window(self, job: JobState) -> tuple[int, int] | None:
        """The window (since, until) of a job's present generation that a backfill has done."""
        with self._file.guarded("read backfills"):
            row: tuple[int, int] | None = self._file.conn.execute(
                "select since, until from backfill where job = ? and generation = ?",
                (job.id, job.generation),
            ).fetchone()
        return row

    def record_backfill(self, job: JobState, since: int, until: int) -> None:
        """Note that a backfill has done this window of a job's present generation."""
        with self._file.write("note a backfill") as conn:
            conn.execute(
                "insert into backfill values (?, ?, ?, ?) on conflict do update set"
                " generation = excluded.generation, since = excluded.since,"
                " until = excluded.until",
                (job.id, job.generation, since, until),
            )
