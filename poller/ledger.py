"""The ledger: what was seen, what was sent, what was refused. The only module that knows SQL.

Everything learned of a job in one collection is one transaction; each settled delivery is one, too.
All times are epoch milliseconds. Every method raises LedgerError when SQLite can't do it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlite_utils import Database

from poller import watermark
from poller.errors import LedgerError
from poller.schema import migrations
from poller.watermark import JobState, Mark

BUSY_TIMEOUT_MS = 30_000

BuildState = Literal["in_flight", "collected", "skipped"]
Outcome = Literal["delivered", "rejected"]


@dataclass(frozen=True)
class ControllerRow:
    """A controller as the ledger knows it. ``depth`` is None before the first look."""

    id: int
    since: int
    depth: int | None


@dataclass(frozen=True)
class BuildRow:
    """One build to record; ``payload`` is the encoded job run of a collected one."""

    number: int
    timestamp: int
    duration: int
    result: str | None
    state: BuildState
    reason: str | None = None
    payload: bytes | None = None


@dataclass(frozen=True)
class Queued:
    """A delivery that waits, with what is to be sent."""

    id: int
    job: int
    full_name: str
    number: int
    payload: bytes


class Ledger:
    """One SQLite file. Not shared between threads; other processes may use the file beside it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._guarded("open"):
            conn = _connect(path, read_only)
            self._conn = conn
            self._db = Database(conn)
            self._refuse_newer()
            if not read_only:
                self._db.enable_wal()
                migrations.apply(self._db)
            elif migrations.pending(self._db):
                raise LedgerError(
                    f"ledger {path}: not yet brought to this version", "run `sei-poller once` first"
                )

    def close(self) -> None:
        """Close the file."""
        self._conn.close()

    # -- controllers and jobs

    def controller(self, name: str, since: int) -> ControllerRow:
        """The controller's row, made with ``since`` when it is new: its first poll fixes that."""
        with self._write("note a controller"):
            self._conn.execute(
                "insert into controllers (name, since) values (?, ?) on conflict do nothing",
                (name, since),
            )
            row = self._conn.execute(
                "select id, since, depth from controllers where name = ?", (name,)
            ).fetchone()
        return ControllerRow(*row)

    def polled(self, controller: int, at: int, *, depth: int, jobs: int, error: str | None) -> None:
        """Note a poll that Jenkins answered; ``error`` is what went wrong in parts of it."""
        with self._write("note a poll"):
            self._conn.execute(
                "update controllers set depth = ?, jobs = ?, last_poll = ?, last_success = ?,"
                " last_error = ? where id = ?",
                (depth, jobs, at, at, error, controller),
            )

    def poll_failed(self, controller: int, at: int, error: str) -> None:
        """Note a poll that failed as a whole."""
        with self._write("note a poll"):
            self._conn.execute(
                "update controllers set last_poll = ?, last_error = ? where id = ?",
                (at, error, controller),
            )

    def jobs(self, controller: int) -> dict[str, JobState]:
        """Every job of a controller by its full name."""
        with self._guarded("read jobs"):
            in_flight: dict[int, list[int]] = {}
            for job, number in self._conn.execute(
                "select b.job, b.number from builds b indexed by builds_in_flight"
                " join jobs j on j.id = b.job and j.generation = b.generation"
                " where b.state = 'in_flight' and j.controller = ?",
                (controller,),
            ):
                in_flight.setdefault(job, []).append(number)
            return {
                name: JobState(
                    name, job, generation, base,
                    Mark(
                        examined,
                        next_number,
                        frozenset(in_flight.get(job, ())),
                        None if newest is None else (newest, newest_timestamp),
                    ),
                    failures, retry_at,
                )
                for name, job, generation, base, examined, next_number, newest, newest_timestamp,
                failures, retry_at in self._conn.execute(
                    "select full_name, id, generation, base, examined, next_build_number,"
                    " newest_number, newest_timestamp, failures, retry_at"
                    " from jobs where controller = ?",
                    (controller,),
                )
            }  # fmt: skip

    def jobs_of(self, name: str) -> dict[str, JobState]:
        """Every job of the controller of that name; none when it was never polled."""
        with self._guarded("read jobs"):
            row = self._conn.execute(
                "select id from controllers where name = ?", (name,)
            ).fetchone()
        return self.jobs(row[0]) if row else {}

    def pass_over(self, controller: int, jobs: Iterable[tuple[str, str, int]]) -> None:
        """Note jobs (full name, class, ``nextBuildNumber``) without a build since ``since``."""
        with self._write("note jobs"):
            self._conn.executemany(
                "insert into jobs (controller, full_name, class, examined, watermark,"
                " next_build_number) values (?1, ?2, ?3, ?4 - 1, ?4 - 1, ?4)"
                " on conflict do nothing",
                ((controller, *job) for job in jobs),
            )

    def put_off(self, controller: int, job: JobState, cls: str, retry_at: int) -> None:
        """Note that a job's collection failed; it is not asked again before ``retry_at``."""
        with self._write(f"put off {job.full_name}"):
            self._conn.execute(
                "insert into jobs (controller, full_name, class, failures, retry_at)"
                " values (?, ?, ?, 1, ?) on conflict do update set"
                " failures = failures + 1, retry_at = excluded.retry_at",
                (controller, job.full_name, cls, retry_at),
            )

    # -- builds

    def record(
        self,
        controller: int,
        job: JobState,
        cls: str,
        builds: Sequence[BuildRow],
        *,
        examined: int,
        next_build_number: int,
        sinks: Sequence[str],
        at: int,
        retry_at: int | None = None,
    ) -> int:
        """Record builds, payloads, deliveries and marks of a job in one transaction.

        ``job`` carries the generation and base that the builds belong to; builds in flight of an
        earlier generation are gone. A build that is collected or skipped already stays as it is.
        ``retry_at`` is when to ask again for what could not be had whole. Returns the number of
        builds that are newly collected.
        """
        with self._write(f"record builds of {job.full_name}"):
            job_id = self._save_job(controller, job, cls, examined, next_build_number, builds)
            self._conn.execute(
                "update builds set state = 'skipped', reason = 'gone'"
                " where job = ? and state = 'in_flight' and generation < ?",
                (job_id, job.generation),
            )
            collected = sum(self._save_build(job_id, job.generation, b, sinks, at) for b in builds)
            if retry_at is not None:
                self._conn.execute(
                    "update jobs set failures = ?, retry_at = ? where id = ?",
                    (job.failures + 1, retry_at, job_id),
                )
            self._advance(job_id)
        return collected

    def starts(self, job: int, numbers: Sequence[int]) -> set[tuple[int, int]]:
        """(number, timestamp) of those of a job's builds, of any generation, that are known."""
        with self._guarded("read builds"):
            return {
                (number, timestamp)
                for number, timestamp in self._conn.execute(
                    "select number, timestamp from builds where job = ? and number between ? and ?",
                    (job, min(numbers, default=0), max(numbers, default=0)),
                )
            }

    def _save_job(
        self,
        controller: int,
        job: JobState,
        cls: str,
        examined: int,
        next_build_number: int,
        builds: Sequence[BuildRow],
    ) -> int:
        newest = max(((b.number, b.timestamp) for b in builds), default=None)
        known = job.mark.newest
        if newest is None or (known is not None and known > newest):
            newest = known
        (job_id,) = self._conn.execute(
            "insert into jobs (controller, full_name, class, generation, base, examined,"
            " next_build_number, newest_number, newest_timestamp) values (?,?,?,?,?,?,?,?,?)"
            " on conflict do update set class = excluded.class, generation = excluded.generation,"
            " base = excluded.base, examined = excluded.examined,"
            " next_build_number = excluded.next_build_number,"
            " newest_number = excluded.newest_number,"
            " newest_timestamp = excluded.newest_timestamp, failures = 0, retry_at = 0"
            " returning id",
            (
                controller, job.full_name, cls, job.generation, job.base, examined,
                next_build_number, *(newest or (None, None)),
            ),
        ).fetchone()  # fmt: skip
        return int(job_id)

    def _save_build(
        self, job: int, generation: int, build: BuildRow, sinks: Sequence[str], at: int
    ) -> int:
        """Returns 1 when the build is newly collected."""
        saved = self._conn.execute(
            "insert into builds (job, generation, number, timestamp, duration, result, state,"
            " reason) values (?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict do update set timestamp = max(timestamp, excluded.timestamp),"
            " duration = excluded.duration, result = excluded.result, state = excluded.state,"
            " reason = excluded.reason where builds.state = 'in_flight' returning id",
            (
                job, generation, build.number, build.timestamp, build.duration, build.result,
                build.state, build.reason,
            ),
        ).fetchone()  # fmt: skip
        if saved is None or build.payload is None:
            return 0
        self._conn.execute(
            "insert into payloads values (?, ?, null)", (saved[0], zlib.compress(build.payload))
        )
        self._conn.executemany(
            "insert into deliveries (build, sink, state, at) values (?, ?, 'queued', ?)",
            ((saved[0], sink, at) for sink in sinks),
        )
        return 1

    def _advance(self, job: int) -> None:
        """Bring the job's watermark up to what is settled."""
        (examined,) = self._conn.execute(
            "select examined from jobs where id = ?", (job,)
        ).fetchone()
        unsettled = self._conn.execute(
            "select b.number from jobs j join builds b on b.job = j.id"
            " and b.generation = j.generation where j.id = ? and (b.state = 'in_flight' or exists"
            " (select 1 from deliveries d where d.build = b.id and d.state = 'queued'))"
            " order by b.number limit 1",
            (job,),
        ).fetchone()
        mark = watermark.watermark(examined, unsettled or ())
        self._conn.execute("update jobs set watermark = ? where id = ?", (mark, job))

    # -- deliveries

    def queued(self, sink: str, limit: int, after: int = 0) -> list[Queued]:
        """The oldest deliveries that wait for ``sink``, with ids above ``after``."""
        with self._guarded("read the queue"):
            return [
                Queued(delivery, job, name, number, zlib.decompress(body))
                for delivery, job, name, number, body in self._conn.execute(
                    "select d.id, b.job, j.full_name, b.number, p.body from deliveries d"
                    " join builds b on b.id = d.build join jobs j on j.id = b.job"
                    " join payloads p on p.build = b.id"
                    " where d.sink = ? and d.state = 'queued' and d.id > ? order by d.id limit ?",
                    (sink, after, limit),
                )
            ]

    def settle(
        self,
        delivery: int,
        state: Outcome,
        at: int,
        status: int | None = None,
        answer: str | None = None,
    ) -> None:
        """Note the receiver's last word on a delivery, and let the watermark follow."""
        with self._write("settle a delivery"):
            (build,) = self._conn.execute(
                "update deliveries set state = ?, at = ?, status = ?, answer = ? where id = ?"
                " returning build",
                (state, at, status, answer, delivery),
            ).fetchone()
            self._conn.execute(
                "update payloads set settled_at = ? where build = ? and not exists (select 1 from"
                " deliveries where build = ?2 and state = 'queued')",
                (at, build),
            )
            (job,) = self._conn.execute("select job from builds where id = ?", (build,)).fetchone()
            self._advance(job)
            self._conn.execute(
                "insert into sinks (name, last_success) select sink, ? from deliveries where id = ?"
                " on conflict do update set last_success = excluded.last_success,"
                " last_error = null",
                (at, delivery),
            )

    def sink_failed(self, sink: str, at: int, error: str) -> None:
        """Note why a sink takes nothing now."""
        with self._write("note a sink's error"):
            self._conn.execute(
                "insert into sinks (name, last_error, last_error_at) values (?, ?, ?)"
                " on conflict do update set last_error = excluded.last_error,"
                " last_error_at = excluded.last_error_at",
                (sink, error, at),
            )

    def forget_payloads(self, settled_before: int) -> int:
        """Drop the payloads that were settled before then. Returns how many."""
        with self._write("drop payloads"):
            return self._conn.execute(
                "delete from payloads where settled_at < ?", (settled_before,)
            ).rowcount

    # -- reading

    def count_queued(self) -> int:
        """How many deliveries wait, over all sinks."""
        with self._guarded("count the queue"):
            (count,) = self._conn.execute(
                "select count(*) from deliveries where state = 'queued'"
            ).fetchone()
        return int(count)

    def controllers(self) -> list[dict[str, Any]]:
        """Name, jobs, polls, last error, builds in flight and skipped of each controller."""
        return self._rows(
            "select c.name, c.jobs, c.last_poll, c.last_success, c.last_error,"
            " coalesce(sum(b.state = 'in_flight'), 0) as in_flight,"
            " coalesce(sum(b.state = 'skipped'), 0) as skipped"
            " from controllers c left join jobs j on j.controller = c.id"
            " left join builds b on b.job = j.id group by c.id order by c.id"
        )

    def deliveries(self) -> list[dict[str, Any]]:
        """Controller, sink, state, count and oldest ``at`` of the deliveries."""
        return self._rows(
            "select c.name as controller, d.sink, d.state, count(*) as count, min(d.at) as oldest"
            " from deliveries d join builds b on b.id = d.build join jobs j on j.id = b.job"
            " join controllers c on c.id = j.controller group by 1, 2, 3"
        )

    def sinks(self) -> list[dict[str, Any]]:
        """Name, last success and last error of each sink that has been used."""
        return self._rows("select name, last_success, last_error, last_error_at from sinks")

    # -- SQLite

    def _rows(self, query: str) -> list[dict[str, Any]]:
        with self._guarded("read"):
            cursor = self._conn.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def _refuse_newer(self) -> None:
        written = {migration.name for migration in migrations.applied(self._db)}
        ours = {migration.name for migration in migrations.pending(Database(memory=True))}
        if written - ours:
            raise LedgerError(
                f"ledger {self.path}: written by a newer version of this program",
                "upgrade this one, or give it another [ledger] path",
            )

    @contextlib.contextmanager
    def _write(self, doing: str) -> Iterator[None]:
        # BEGIN IMMEDIATE: a service and a backfill on one file wait for each other at the start of
        # a transaction, never in its middle, where SQLite would refuse instead of waiting.
        with self._guarded(doing):
            self._conn.execute("begin immediate")
            try:
                yield
                self._conn.execute("commit")
            except BaseException:
                if self._conn.in_transaction:
                    self._conn.execute("rollback")
                raise

    @contextlib.contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(
                f"ledger {self.path}: can't {doing}: {error}", _cure(error)
            ) from error


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Payloads hold what teams build and who builds it: for the service's user only.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise LedgerError(
                f"ledger {path}: can't write it: {error.strerror}",
                "check [ledger] path and its owner",
            ) from error
    elif not path.exists():
        raise LedgerError(
            f"ledger {path}: there is none yet", "has `run` or `once` run with this config?"
        )
    mode = "ro" if read_only else "rw"
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_MS / 1000
    )
    conn.execute("pragma foreign_keys = on")
    if not read_only:
        conn.execute("pragma synchronous = normal")
    return conn


def _cure(error: sqlite3.Error) -> str:
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return "move the file away and restore it from a backup; nothing was overwritten"
    if "full" in text:
        return "make room on its disk; nothing collected is lost"
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return "check the file's owner and the [ledger] path"
    if "locked" in text:
        return "another program holds the file for longer than 30 s: which?"
    return ""
