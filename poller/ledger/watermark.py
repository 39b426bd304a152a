"""Up to which number all builds of a job are settled."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

AWAITED = "d.state = 'queued' and d.sink not in (select name from sink where not configured)"
"""That a delivery ``d`` keeps its build from being settled."""


def advance(conn: sqlite3.Connection, job: int) -> None:
    """Bring the job's watermark up to what is settled of all that began since ``since``."""
    (examined,) = conn.execute("select examined from job where id = ?", (job,)).fetchone()
    unsettled = conn.execute(
        "select b.number from job j join controller c on c.id = j.controller"
        " join build b on b.job = j.id and b.generation = j.generation"
        " and b.number > j.watermark and b.number <= j.examined"
        " where j.id = ? and (b.timestamp >= c.since or b.timestamp <= 0)"
        " and (b.state = 'in_flight' or exists"
        f" (select 1 from delivery d where d.build = b.id and {AWAITED}))"
        " order by b.number limit 1",
        (job,),
    ).fetchone()
    awaited = conn.execute(
        "select min(p.number) from pending p join job j on j.id = p.job"
        " and j.generation = p.generation where p.job = ? having min(p.number) not null",
        (job,),
    ).fetchone()
    settled = watermark(examined, [*(unsettled or ()), *(awaited or ())])
    conn.execute("update job set watermark = ?1 where id = ?2 and watermark <> ?1", (settled, job))


def watermark(examined: int, unsettled: Iterable[int]) -> int:
    """The highest N such that every build ≤ N is settled: never at or past an unsettled one."""
    return min([examined + 1, *unsettled]) - 1
