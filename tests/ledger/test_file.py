"""The ledger's file: its versions, its readers, and what stands in its way."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlite_utils import Database

from poller.core.build_key import BuildKey
from poller.core.errors import LedgerError
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, JobProgress
from tests.support.ledgers import LEDGERS, SINKS, build_key, complete, record, running, tally
from tests.support.outbox import queued


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    """Payloads name people and what they build."""
    Ledger(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_connections_write_one_after_the_other(path: Path) -> None:
    """A backfill beside the service waits; nothing is doubled."""
    one, other = Ledger(path), Ledger(path)
    record(one, [complete(1)], 1)
    assert record(other, [complete(1)], 1) == 0
    assert record(other, [complete(2)], 2) == 1
    assert len(queued(one, "sei", 10)) == 2
    one.close()
    other.close()


def test_an_old_file_is_brought_up_to_date(path: Path) -> None:
    """A file of the first schema opens: nothing in it is lost or sent twice, and counts are right.
    Reading alone changes nothing."""
    path.parent.mkdir()
    shutil.copy(LEDGERS / "m001.db", path)
    with pytest.raises(LedgerError, match="not yet brought to this version"):
        Ledger(path, read_only=True)
    with Ledger(path) as ledger:
        assert [q.number for q in queued(ledger, "sei", 10)] == [2]
        assert tally(ledger) == {
            ("", "collected"): 5, ("", "in_flight"): 1, ("", "skipped: gone"): 1,
            ("sei", "delivered"): 3, ("sei", "rejected"): 1, ("sei", "queued"): 1,
        }  # fmt: skip
        job = ledger.jobs.states(1)["team/app"]
        assert JobProgress(5, 6, frozenset({4}), BuildKey(5, 1_700_000_005_000)) == job.progress
        (refused,) = ledger.outbox.rejected()
        assert (refused["job"], refused["number"], refused["status"]) == ("old", 1, 422)
        assert not ledger.outbox.sent(refused["build"]).kept
        done = Batch(
            job,
            job.cls,
            [BuildRow(BuildKey(4, 1_700_000_004_000, 9), 5, "SUCCESS", "collected", None, b"{}")],
            5,
        )
        assert ledger.builds.record(1, done, SINKS, 1).collected == 1
        assert ledger.builds.record(1, done, SINKS, 1).collected == 0


VIEWS = {
    "jobs": ("controller job class generation watermark next_build_number gaps reconciled_at"),
    "job_runs": (
        "controller job generation number build_number started_at started_ms duration_ms result"
        " state reason"
    ),
    "deliveries": "controller job generation number sink state at status answer",
    "executions": (
        "controller job generation number pipeline_execution_id pipeline_stage_id workspace state"
        " skipped"
    ),
}


@pytest.mark.parametrize("view", VIEWS)
def test_the_views_for_readers_stay_as_they_are(path: Path, view: str) -> None:
    """Their names and columns are a promise; any reader may look while the service writes."""
    with Ledger(path) as ledger:
        record(ledger, [complete(1), running(2)], 2)
        reader = Database(path)
        assert VIEWS[view].split() == list(reader[view].columns_dict)
        assert (
            reader[view].count
            == {
                "jobs": 1,
                "job_runs": 2,
                "deliveries": 1,
                "executions": 0,
            }[view]
        )
        reader.close()
        record(ledger, [complete(3)], 3)


def test_the_views_speak_of_times_in_iso(path: Path) -> None:
    """And of a build by the number that SEI has."""
    with Ledger(path) as ledger:
        record(
            ledger,
            [BuildRow(build_key(1, 1_700_000_000_123), 5, "FAILURE", "collected", None, b"{}", 31)],
            1,
        )
        (row,) = ledger.file.rows("select * from job_runs")
    assert (row["started_at"], row["build_number"]) == ("2023-11-14T22:13:20.123Z", 31)


def test_a_full_disk_is_one_sentence_and_loses_nothing(path: Path) -> None:
    """What was committed stays; the next write with room goes on."""
    with Ledger(path) as ledger:
        record(ledger, [complete(1)], 1)
        (pages,) = ledger.file.conn.execute("pragma page_count").fetchone()
        ledger.file.conn.execute(f"pragma max_page_count = {pages}")
        many = [dataclasses.replace(complete(n), payload=os.urandom(4000)) for n in range(2, 30)]
        with pytest.raises(LedgerError, match="full") as caught:
            record(ledger, many, 29)
        assert "make room" in caught.value.hint
        assert [q.number for q in queued(ledger, "sei", 10)] == [1]
        ledger.file.conn.execute("pragma max_page_count = 1000000")
        assert record(ledger, many, 29) == 28


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    """Nothing in it is touched."""
    Ledger(path).close()
    db = Database(path)
    db.table("_sqlite_migrations").insert({"migration_set": "jenkins-sei-poller", "name": "m999"})
    db.close()
    with pytest.raises(LedgerError, match="newer version") as caught:
        Ledger(path)
    assert caught.value.exit_code == 73


def test_what_is_no_database_is_left_alone(path: Path) -> None:
    """One sentence, and the file as it was."""
    path.parent.mkdir()
    path.write_bytes(b"something else " * 100)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(path)
    assert path.read_bytes() == b"something else " * 100


def test_reading_needs_a_ledger(path: Path) -> None:
    """`status` before the first poll says so."""
    with pytest.raises(LedgerError, match="there is none yet"):
        Ledger(path, read_only=True)


def test_a_new_one_is_made_once_by_all_that_open_it(tmp_path: Path) -> None:
    """A service and a backfill that start together."""
    for place in range(10):
        path, together = tmp_path / str(place) / "ledger.db", Barrier(4)

        def make(path: Path = path, together: Barrier = together) -> None:
            together.wait()
            Ledger(path).close()

        with ThreadPoolExecutor(4) as pool:
            for made in [pool.submit(make) for _ in range(4)]:
                made.result()
