"""Ledgers of every earlier version: nothing in them changes, and nothing is sent twice."""

from __future__ import annotations

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlite_utils import Database

from poller.ledger import Ledger
from poller.ledger.locks import directory_lock
from poller.ledger.schema import migrations
from tests.support.ledgers import LEDGERS
from tests.support.outbox import queued
from tests.support.recorded_ledgers import build_delivered, build_queued, build_refused
from tests.support.site import Site

EARLIER = sorted(LEDGERS.glob("m*.db"))
PLURALS = {
    "controllers": "controller", "jobs": "job", "builds": "build", "deliveries": "delivery",
    "payloads": "payload", "sinks": "sink",
}  # fmt: skip
"""Tables of the first version that have another name now."""


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """What each table and view has, under the names of today."""
    with sqlite3.connect(path) as conn:
        conn.row_factory = sqlite3.Row
        names = [row["name"] for row in conn.execute(
            "select name from sqlite_master where type in ('table', 'view')"
            " and name not like '%sqlite_%' and name not like 'log\\_words%' escape '\\'"
        )]  # fmt: skip
        found = {
            name: [dict(row) for row in conn.execute(f"select * from {name}")] for name in names
        }
    conn.close()
    if "builds" in found:
        found = {PLURALS[name]: kept for name, kept in found.items()}
    if "lacking" in found:
        found["incomplete"] = found.pop("lacking")
    for job in found["job"]:
        if "base" in job:
            job["number_offset"] = job.pop("base")
    return found


@pytest.fixture(params=EARLIER, ids=lambda path: path.stem)
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one, where the ledger of :class:`Site` lies."""
    path = tmp_path / "ledger.db"
    shutil.copy(request.param, path)
    return path


def test_there_is_one_of_each_version() -> None:
    """Each ends with another migration; only today's is made by the tests."""
    applied = []
    for path in EARLIER:
        with Database(path) as db:
            applied.append([migration.name for migration in migrations.applied(db)])
    with Database(memory=True) as db:
        names = [migration.name for migration in migrations.pending(db)]
    assert applied == [names[:place] for place in range(1, len(names))]


def test_what_it_has_is_as_it_was(earlier: Path) -> None:
    """Each table has rows, each row its values; views show what they showed."""
    before = rows(earlier)
    assert [name for name, kept in before.items() if not kept] == []
    with Ledger(earlier) as ledger:
        waiting = [(one.full_name, one.number) for one in queued(ledger, "sei", 10)]
        counts = ledger.controllers.all()[0]["tally"]
    assert waiting == [("old", 2)]
    assert {state: counts["", state] for state in ("collected", "in_flight", "skipped: gone")} == {
        "collected": 5, "in_flight": 1, "skipped: gone": 1,
    }  # fmt: skip
    assert {state: counts["sei", state] for state in ("delivered", "rejected", "queued")} == {
        "delivered": 3, "rejected": 1, "queued": 1,
    }  # fmt: skip
    after = rows(earlier)
    for name, kept in before.items():
        columns = kept[0].keys()
        assert [{key: row[key] for key in columns} for row in after[name]] == kept, name


def test_its_views_are_those_of_a_new_one(earlier: Path, tmp_path: Path) -> None:
    """And so are its tables, indexes and triggers."""

    def schema(path: Path) -> dict[str, str]:
        Ledger(path).close()
        with sqlite3.connect(path) as conn:
            found = dict(conn.execute("select name, sql from sqlite_master where sql is not null"))
        conn.close()
        return {name: " ".join(sql.split()) for name, sql in found.items()}

    assert schema(earlier) == schema(tmp_path / "new.db")


def test_all_that_open_it_bring_it_up_to_date_once(earlier: Path) -> None:
    """A service and a command that start together after an upgrade."""
    together = Barrier(4)

    def open_it() -> None:
        together.wait()
        Ledger(earlier).close()

    with ThreadPoolExecutor(4) as pool:
        for opened in [pool.submit(open_it) for _ in range(4)]:
            opened.result()


def test_who_only_reads_waits_for_whoever_migrates(earlier: Path) -> None:
    """`status` beside the first start after an upgrade."""
    with ThreadPoolExecutor(1) as pool:
        with directory_lock(earlier):
            reading = pool.submit(lambda: Ledger(earlier, read_only=True).close())
            time.sleep(0.3)
            assert not reading.done()
            db = Database(earlier)
            migrations.apply(db)
            db.close()
        reading.result()


def test_once_goes_on_with_it(earlier: Path, site: Site) -> None:
    """What waits is sent, what ran is collected, what is new, too; nothing else, nothing twice."""
    assert site.ledger == earlier
    build_refused(site.jenkins)
    build_delivered(site.jenkins)
    build_queued(site.jenkins)
    app = site.jenkins.job("team/app")
    app.builds[4].finish("SUCCESS", 980)
    app.build()
    for _ in range(2):
        result = site.run("once")
        assert result.returncode == 0, result.stderr
        sent = sorted((run["job_full_name"], run["build_number"]) for run in site.sei.received)
        assert sent == [("old", 2), ("team/app", 4), ("team/app", 6)]
    (told,) = site.read("status")["controllers"]
    told["sinks"]["sei"].pop("oldest_queued")
    assert told["sinks"]["sei"] == {"queued": 0, "delivered": 6, "rejected": 1}
    assert (told["in_flight"], told["skipped"]) == (0, 1)
