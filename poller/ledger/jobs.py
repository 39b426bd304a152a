"""Jobs in the ledger: the progress of each, and when it may be asked again."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable

from poller.core.build_key import BuildKey
from poller.ledger.file import LedgerFile
from poller.ledger.pending import PendingBuilds
from poller.ledger.records import EXCLUDED, GONE, JobProgress, JobState

_ACTIVE = (
    "missing or id in (select job from build indexed by build_in_flight where state = 'in_flight')"
    " or id in (select job from pending)"
)
"""A job of which something is awaited; a build of an earlier generation is no harm here."""


REOPENED_AT_MOST = 100
"""The newest numbers of a job that came back: what of them was in flight is looked at again."""


class Jobs:
    """The table ``job``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def states(self, controller: int, name: str | None = None) -> dict[str, JobState]:
        """Every job of a controller by its full name, or only the one of that name."""
        return self._states(controller, "?2 is null or full_name = ?2", name)

    def idle(self, controller: int) -> dict[str, int]:
        """``nextBuildNumber`` at its last collection, by full name, of each job of which nothing is
        awaited: the last item tree showed it, and no build of it is in flight. Mostly that is
        all of them: only these two values are read, as 10,000 states are work."""
        with self._file.guarded("read jobs"):
            return dict(
                self._file.conn.execute(
                    "select full_name, next_build_number from job where controller = ?"
                    f" and next_build_number is not null and not ({_ACTIVE})",
                    (controller,),
                )
            )

    def active(self, controller: int, names: Iterable[str]) -> dict[str, JobState]:
        """The jobs of ``names``, and every one that is not idle."""
        within = "full_name in (select value from json_each(?2))"
        return self._states(controller, f"{_ACTIVE} or {within}", json.dumps(list(names)))

    def _states(self, controller: int, which: str, value: str | None) -> dict[str, JobState]:
        with self._file.guarded("read jobs"):
            in_flight: dict[int, list[int]] = {}
            for job, number in self._file.conn.execute(
                "select b.job, b.number from build b indexed by build_in_flight"
                " join job j on j.id = b.job and j.generation = b.generation"
                " where b.state = 'in_flight' and j.controller = ?",
                (controller,),
            ):
                in_flight.setdefault(job, []).append(number)
            pending = PendingBuilds(self._file).of_jobs(controller)
            return {
                name: JobState(
                    name, job, cls, generation, number_offset,
                    JobProgress(
                        examined,
                        next_number,
                        frozenset(in_flight.get(job, ())),
                        None if newest is None else BuildKey(newest, timestamp or 0, queue_id or 0),
                        pending.get(job, {}),
                    ),
                    failures, retry_at, bool(missing),
                )
                for name, job, cls, generation, number_offset, examined, next_number, newest,
                timestamp, queue_id, failures, retry_at, missing in self._file.conn.execute(
                    "select full_name, id, class, generation, number_offset, examined,"
                    " next_build_number, newest_number, newest_timestamp, newest_queue_id,"
                    f" failures, retry_at, missing from job where controller = ?1 and ({which})",
                    (controller, value),
                )
            }  # fmt: skip

    def pass_over(
        self, controller: int, jobs: Iterable[tuple[str, str, int, BuildKey | None]]
    ) -> None:
        """Note jobs (full name, class, ``nextBuildNumber``, newest build) without a build since
        ``since``."""
        with self._file.write("note jobs") as conn:
            conn.executemany(
                "insert into job (controller, full_name, class, examined, watermark,"
                " next_build_number, newest_number, newest_timestamp, newest_queue_id)"
                " values (?1, ?2, ?3, ?4 - 1, ?4 - 1, ?4, ?5, ?6, ?7) on conflict do nothing",
                (
                    (controller, name, cls, number, *(newest or (None, None, None)))
                    for name, cls, number, newest in jobs
                ),
            )

    def put_off(self, controller: int, job: JobState, cls: str, retry_at: int) -> None:
        """Note that a job's collection failed; it is not asked again before ``retry_at``."""
        with self._file.write(f"put off {job.full_name}") as conn:
            conn.execute(
                "insert into job (controller, full_name, class, failures, retry_at)"
                " values (?, ?, ?, 1, ?) on conflict do update set"
                " failures = failures + 1, retry_at = excluded.retry_at",
                (controller, job.full_name, cls, retry_at),
            )

    def ask_now(self, controller: str | None) -> None:
        """Let nothing wait for its time any more: jobs that were put off, builds that are asked for
        again, runs that went without something, and open circuits; of one controller by its name,
        or of all of them and of all sinks."""
        of_it = "in (select j.id from job j join controller c on c.id = j.controller"
        of_it += " where ?1 is null or c.name = ?1)"
        with self._file.write("ask at once") as conn:
            conn.execute(
                "update job set retry_at = 0 where retry_at > 0 and controller in"
                " (select id from controller where ?1 is null or name = ?1)",
                (controller,),
            )
            conn.execute(f"update pending set retry_at = 0 where job {of_it}", (controller,))
            conn.execute(
                "update incomplete set retry_at = 0 where retry_at > 0 and build in"
                f" (select id from build where job {of_it})",
                (controller,),
            )
            conn.execute(
                "update breaker set next_try = since where next_try is not null"
                " and (?1 is null or (kind = 'controller' and name = ?1))",
                (controller,),
            )

    def note_missing(self, jobs: Iterable[int]) -> None:
        """Note jobs, by id, that an item tree did not show."""
        with self._file.write("note missing jobs") as conn:
            conn.executemany("update job set missing = 1 where id = ?", ((job,) for job in jobs))

    def give_up_in_flight(self, job: JobState) -> int:
        """Skip as gone what is in flight of a job that is no longer there. Returns how many."""
        with self._file.write(f"give up builds of {job.full_name}") as conn:
            return _close(conn, job.id, GONE)

    def close_excluded(self, jobs: Iterable[JobState]) -> int:
        """Skip as excluded what is in flight of jobs that the config no longer selects. Returns how
        many; selected again, they are looked at again."""
        with self._file.write("close builds of excluded jobs") as conn:
            closed = 0
            for job in jobs:
                closed += _close(conn, job.id, EXCLUDED)
                conn.execute("update job set missing = 1 where id = ?", (job.id,))
            return closed

    def shifted(self, job: int | None = None) -> list[str]:
        """Jobs, or only that one, whose numbers at SEI go on after those of a generation that they
        continue: earlier versions took a restart of Jenkins for a new job. No number of theirs was
        used twice."""
        with self._file.guarded("read jobs"):
            return [
                name
                for (name,) in self._file.conn.execute(
                    "select full_name from job j where number_offset > 0 and generation > 0"
                    " and (?1 is null or id = ?1)"
                    " and exists (select 1 from build b where b.job = j.id"
                    "  and b.generation = j.generation and b.number > (select max(o.number)"
                    "   from build o where o.job = j.id and o.generation < j.generation))"
                    " and not exists (select 1 from build b join build o on o.job = b.job"
                    "  and o.number = b.number and o.generation < b.generation"
                    "  where b.job = j.id and b.generation = j.generation)"
                    " order by full_name",
                    (job,),
                )
            ]

    def reopen(self, job: JobState) -> JobState:
        """A job that is back: what was in flight when it went away is so again."""
        with self._file.write(f"look at builds of {job.full_name} again") as conn:
            numbers = conn.execute(
                "update build set state = 'in_flight', reason = null where job = ?"
                " and generation = ? and number > ? and state = 'skipped' and reason in (?, ?)"
                " returning number",
                (job.id, job.generation, job.progress.examined - REOPENED_AT_MOST, GONE, EXCLUDED),
            ).fetchall()
        in_flight = job.progress.in_flight.union(number for (number,) in numbers)
        return dataclasses.replace(
            job, progress=dataclasses.replace(job.progress, in_flight=in_flight)
        )

    def samples(self, controller: int, count: int) -> list[tuple[str, BuildKey]]:
        """The newest known build of the ``count`` jobs that were built last, and of as many that
        were not built for longest: full name and start."""
        with self._file.guarded("read jobs"):
            return [
                (name, BuildKey(number, timestamp, queue_id or 0))
                for order in ("desc", "asc")
                for name, number, timestamp, queue_id in self._file.conn.execute(
                    "select full_name, newest_number, newest_timestamp, newest_queue_id from job"
                    " where controller = ? and newest_timestamp > 0"
                    f" order by newest_timestamp {order} limit ?",
                    (controller, count),
                )
            ]


def _close(conn: sqlite3.Connection, job: int, reason: str) -> int:
    conn.execute("delete from pending where job = ?", (job,))
    return conn.execute(
        "update build set state = 'skipped', reason = ? where job = ? and state = 'in_flight'",
        (reason, job),
    ).rowcount


def take_watermark_back(conn: sqlite3.Connection, build: int) -> None:
    """Before a build whose delivery waits again, as a part of queueing it."""
    conn.execute(
        "update job set watermark = min(watermark, b.number - 1) from build b"
        " where b.id = ? and job.id = b.job and job.generation = b.generation",
        (build,),
    )
