"""The queries of the status page, builds by time and counts by day. They only read.

Each costs about the same with a thousand builds in the ledger and with a million.
"""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Iterator
from typing import Any

from poller.core.times import DAY_MS, HOUR_MS
from poller.ledger.file import LedgerFile

STEPS_BETWEEN_CHECKS = 10_000
"""Steps of SQLite's machine, well under a millisecond, between two checks of the clock."""

_BUILD = (
    "select b.id, c.name as controller, j.id as job, j.full_name, b.generation, b.number,"
    " b.timestamp, b.duration, b.result, b.state, b.reason"
)
_OF = " join job j on j.id = b.job join controller c on c.id = j.controller"

Before = tuple[int, int, int]
"""Where a page of builds ends: timestamp, number and id of its last one."""


class PageQueries:
    """Reads; made for a connection of its own in a thread of its own."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    @contextlib.contextmanager
    def snapshot(self, seconds: float) -> Iterator[None]:
        """All reads inside see one state of the ledger. Raises LedgerError past ``seconds``."""
        conn = self._file.conn
        deadline = time.monotonic() + seconds
        conn.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_CHECKS)
        try:
            with self._file.guarded("read"):
                conn.execute("begin")
            yield
        finally:
            conn.set_progress_handler(None, 0)
            if conn.in_transaction:
                conn.execute("rollback")

    def results(self, since: int, until: int) -> dict[str, int]:
        """How many builds ended with each result on the UTC days from ``since`` to ``until``."""
        rows = self._file.rows(
            "select result, sum(builds) as builds from result_day where day between ? and ?"
            " group by result order by builds desc",
            since // DAY_MS, until // DAY_MS,
        )  # fmt: skip
        return {row["result"]: row["builds"] for row in rows}

    def failing(self, since: int, until: int, limit: int) -> list[dict[str, Any]]:
        """The jobs with most failures on those days: id, controller, full name, failed, builds."""
        return self._file.rows(
            "select j.id as job, c.name as controller, j.full_name, f.failed,"
            " (select sum(t.builds) from json_each(?4) d join job_day t"
            "  on t.day = d.value and t.job = j.id) as builds"
            " from (select job, sum(failed) as failed from job_day"
            "  indexed by job_day_failed where failed > 0 and day between ?1 and ?2"
            "  group by job order by failed desc, job limit ?3) f"
            " join job j on j.id = f.job join controller c on c.id = j.controller"
            " order by f.failed desc, j.full_name",
            since // DAY_MS, until // DAY_MS, limit,
            json.dumps(list(range(since // DAY_MS, until // DAY_MS + 1))),
        )  # fmt: skip

    def hours(self, since: int, until: int) -> list[dict[str, Any]]:
        """Deliveries queued and settled in each hour: controller, sink, hour (epoch ms), counts."""
        return self._file.rows(
            f"select c.name as controller, d.sink, d.hour * {HOUR_MS} as hour,"
            " d.queued, d.delivered, d.rejected"
            " from delivery_hour d join controller c on c.id = d.controller"
            " where d.hour between ? and ? order by d.hour",
            since // HOUR_MS, until // HOUR_MS,
        )  # fmt: skip

    def rejected_by_sink(self, since: int, until: int) -> dict[str, int]:
        """How many deliveries each sink refused in the hours from ``since`` to ``until``."""
        rows = self._file.rows(
            "select sink, sum(rejected) as rejected from delivery_hour"
            " where hour between ? and ? group by sink",
            since // HOUR_MS, until // HOUR_MS,
        )  # fmt: skip
        return {row["sink"]: row["rejected"] for row in rows}

    def rejected(self, sink: str, limit: int) -> list[dict[str, Any]]:
        """The builds rejected last, newest first, with the receiver's status and answer."""
        return self._file.rows(
            f"{_BUILD}, d.sink, d.at, d.status, d.answer from delivery d join build b"
            f" on b.id = d.build{_OF}"
            " where d.state = 'rejected' and d.sink = ? order by d.id desc limit ?",
            sink, limit,
        )  # fmt: skip

    def recent(self, until: int, limit: int, before: Before | None = None) -> list[dict[str, Any]]:
        """The builds that started last, newest first, with their deliveries as ``sink: state``."""
        return self._with_deliveries(
            f"{_BUILD} from build b{_OF} where b.timestamp <= ?1 and"
            " (?2 is null or (b.timestamp, b.number, b.id) < (?2, ?3, ?4))"
            " order by b.timestamp desc, b.number desc, b.id desc limit ?5",
            min(until, before[0]) if before else until, *(before or (None, None, None)), limit,
        )  # fmt: skip

    def of_job(self, job: int, limit: int, number: int | None = None) -> list[dict[str, Any]]:
        """A job's builds, newest first; or those that have ``number``."""
        return self._with_deliveries(
            f"{_BUILD} from build b{_OF} where b.job = ?1 and (?2 is null or b.number = ?2)"
            " order by b.generation desc, b.number desc limit ?3",
            job, number, limit,
        )  # fmt: skip

    def job(self, job: int) -> dict[str, Any] | None:
        """A job by its id: id, controller, full name, class; None when there is none."""
        rows = self._file.rows(
            "select j.id as job, c.name as controller, j.full_name, j.class, j.failures, j.retry_at"
            " from job j join controller c on c.id = j.controller where j.id = ?",
            job,
        )
        return rows[0] if rows else None

    def jobs_named(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Jobs with ``text`` in their full name, whatever the case of its ASCII letters; whole
        names first."""
        return self._file.rows(
            "select j.id as job, c.name as controller, j.full_name from job j"
            " join controller c on c.id = j.controller where instr(lower(j.full_name), lower(?1))"
            " order by lower(j.full_name) <> lower(?1), j.full_name limit ?2",
            text, limit,
        )  # fmt: skip

    def build(self, build: int) -> dict[str, Any] | None:
        """A build by its id, with its deliveries; None when there is none."""
        rows = self._file.rows(f"{_BUILD} from build b{_OF} where b.id = ?", build)
        if not rows:
            return None
        deliveries = self._file.rows(
            "select sink, state, at, status, answer, without_logs, tries,"
            " iif(state = 'queued', next_try, 0) as next_try from delivery where build = ?"
            " order by sink",
            build,
        )
        return {**rows[0], "deliveries": deliveries}

    def payload(self, build: int) -> bytes | None:
        """The encoded job run of a build, as long as it is kept."""
        rows = self._file.rows("select body from payload where build = ?", build)
        with self._file.guarded("read a payload"):
            return zlib.decompress(rows[0]["body"]) if rows else None

    def depths(self, build: int) -> list[int]:
        """In how many others each stage of the payload lies; nothing where they are not nested."""
        rows = self._file.rows("select depths from payload where build = ?", build)
        return [int(depth) for row in rows for depth in (row["depths"] or "").split()]

    def size(self) -> int:
        """Bytes of the ledger's file with its write-ahead log."""
        path = self._file.path
        files = (path, path.with_name(path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def forget(self, before: int) -> None:
        """Drop the counts of days and hours before then."""
        with self._file.write("drop old counts") as conn:
            conn.execute("delete from result_day where day < ?", (before // DAY_MS,))
            conn.execute("delete from job_day where day < ?", (before // DAY_MS,))
            conn.execute("delete from delivery_hour where hour < ?", (before // HOUR_MS,))

    def _with_deliveries(self, query: str, *values: Any) -> list[dict[str, Any]]:
        builds = self._file.rows(query, *values)
        for build in builds:
            rows = self._file.rows(
                "select sink, state from delivery where build = ? order by sink", build["id"]
            )
            build["deliveries"] = {row["sink"]: row["state"] for row in rows}
        return builds
