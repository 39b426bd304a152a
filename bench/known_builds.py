"""A ledger that knows many builds, all settled.

It is written as the first version wrote it, with bulk SQL, and brought up to date by the program's
own migrations.

    python -m bench.known_builds LEDGER         opens it as the program does; how many ms that took
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from pathlib import Path

from sqlite_utils import Database

from bench.servers import LARGE
from bench.started import CACHE, before
from poller.demo.jenkins.stages import duration_of
from poller.ledger import Ledger
from poller.ledger.schema import migrations

DAYS_MS = 90 * 86_400_000
PIPELINE = "org.jenkinsci.plugins.workflow.job.WorkflowJob"

HISTORY = """
insert into controllers (name, since, depth, jobs) values (:controller, 0, 3, :jobs);
with recursive n(i) as (select 0 union all select i + 1 from n where i < :jobs - 1)
insert into jobs (id, controller, full_name, class, examined, watermark, next_build_number,
        newest_number, newest_timestamp)
    select i + 1, 1,
        'division-' || (i % 300 % 10) || '/team-' || (i % 300) || '/service-' || i, :class,
        :builds / :jobs, :builds / :jobs, :builds / :jobs + 1,
        :builds / :jobs, :began + ((:builds / :jobs - 1) * :jobs + i) * :step from n;
with recursive n(i) as (select 0 union all select i + 1 from n where i < :builds - 1)
insert into builds (id, job, generation, number, timestamp, duration, result, state)
    select i + 1, 1 + i % :jobs, 0, 1 + i / :jobs, :began + i * :step, :duration,
        iif(:mixed and (i % 5 = 0 or i % :jobs < 9), 'FAILURE', 'SUCCESS'), 'collected' from n;
insert into deliveries (build, sink, state, at, status, answer)
    select id, 'sei', iif(id % 1000 = 0, 'rejected', 'delivered'), timestamp + duration + 5000,
        iif(id % 1000 = 0, 422, 202), iif(id % 1000 = 0, '{"error": "no such repository"}', null)
        from builds
"""
"""Times and numbers as :func:`bench.servers.fill` has them."""


def write(
    path: Path, builds: int, jobs: int, began: int, step: int, *, controller: str = "history"
) -> float:
    """So many builds, all settled; those of another controller than the config's have mixed
    results. Returns the seconds it took to bring the file up to date."""
    db = Database(path)
    migrations.apply(db, stop_before="m002_lineage")
    db.close()
    given = {
        "builds": builds, "jobs": jobs, "began": began, "step": step, "controller": controller,
        "duration": duration_of(LARGE), "class": PIPELINE, "mixed": controller == "history",
    }  # fmt: skip
    conn = sqlite3.connect(path)
    for statement in HISTORY.split(";\n"):
        conn.execute(statement, given)
    conn.commit()
    conn.close()
    start = time.perf_counter()
    Ledger(path).close()
    return time.perf_counter() - start


def kept(builds: int, jobs: int) -> tuple[Path, int, int]:
    """Such a ledger of the config's controller, made once; when its first build began, and the
    milliseconds between two."""
    step = DAYS_MS // builds
    schema = len(list(migrations.pending(Database(memory=True))))
    CACHE.mkdir(exist_ok=True)
    for path in CACHE.glob(f"ledger-{builds}-{jobs}-m{schema:03}-*.db"):
        return path, int(path.stem.rpartition("-")[2]), step
    began = before(DAYS_MS)
    path = CACHE / f"ledger-{builds}-{jobs}-m{schema:03}-{began}.db"
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    write(made, builds, jobs, began, step, controller="demo")
    made.rename(path)
    return path, began, step


def copy(of: Path, directory: Path) -> None:
    """Put it where the config's ledger is."""
    shutil.copy(of, directory / "ledger.db")


if __name__ == "__main__":
    start = time.perf_counter()
    Ledger(Path(sys.argv[1])).close()
    print(1000 * (time.perf_counter() - start))
