"""The ledger on a real file."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from sqlite_utils import Database

from poller.errors import LedgerError
from poller.ledger import Batch, BuildRow, Ledger
from poller.ledger.schema import migrations
from poller.watermark import JobState, Mark, Start

SINKS = ("sei",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger of a test lies."""
    return tmp_path / "state" / "ledger.db"


def start(number: int, timestamp: int | None = None) -> Start:
    """When a build started."""
    return Start(number, timestamp or 1000 + number, 50 + number)


def complete(number: int, timestamp: int | None = None) -> BuildRow:
    """A collected build."""
    payload = b'{"n":%d}' % number
    return BuildRow(start(number, timestamp), 5, "SUCCESS", "collected", None, payload)


def running(number: int) -> BuildRow:
    """A build in flight."""
    return BuildRow(start(number), 0, None, "in_flight")


def record(ledger: Ledger, builds: list[BuildRow], examined: int) -> int:
    """Record builds of the job ``app`` on the controller ``main``."""
    controller = ledger.controllers.get("main", 0).id
    state = ledger.jobs.states(controller).get("app", JobState("app"))
    batch = Batch(state, "Job", builds, examined)
    return ledger.builds.record(controller, batch, SINKS, 1).collected


def job_row(ledger: Ledger) -> JobState:
    """The job ``app`` as the ledger has it."""
    return ledger.jobs.states(1)["app"]


def tally(ledger: Ledger) -> dict[tuple[str, str], int]:
    """How many builds and deliveries there are of each kind."""
    (row,) = ledger.controllers.all()
    return {key: count for key, count in row["tally"].items() if count}


def stored_watermark(path: Path) -> int:
    """What any reader of the file sees."""
    with sqlite3.connect(path) as conn:
        (mark,) = conn.execute("select watermark from job").fetchone()
    conn.close()
    return int(mark)


def test_a_build_is_queued_once(path: Path) -> None:
    """Recording the same builds again changes nothing."""
    ledger = Ledger(path)
    assert record(ledger, [complete(1), complete(2)], 2) == 2
    assert record(ledger, [complete(1), complete(2)], 2) == 0
    assert [queued.number for queued in ledger.outbox.queued("sei", 10)] == [1, 2]
    assert ledger.outbox.queued("sei", 10)[0].payload == b'{"n":1}'
    ledger.close()


def test_the_watermark_waits_for_what_runs_and_what_is_queued(path: Path) -> None:
    """It moves when deliveries settle, and never past a build in flight."""
    ledger = Ledger(path)
    record(ledger, [complete(1), running(2), complete(3)], 3)
    assert stored_watermark(path) == 0
    for delivery in ledger.outbox.queued("sei", 10):
        ledger.outbox.settle(delivery.id, "delivered", 2, 202)
    assert stored_watermark(path) == 1
    record(ledger, [complete(2)], 3)
    ledger.outbox.settle(ledger.outbox.queued("sei", 10)[0].id, "rejected", 3, 400, "no")
    assert stored_watermark(path) == 3
    ledger.close()


def test_a_build_never_goes_back(path: Path) -> None:
    """Collected stays collected, whatever is said later."""
    ledger = Ledger(path)
    record(ledger, [complete(1)], 1)
    record(ledger, [running(1)], 1)
    assert frozenset() == job_row(ledger).mark.in_flight
    ledger.close()


def test_marks_come_back_as_they_were_saved(path: Path) -> None:
    """Also from another process's file."""
    ledger = Ledger(path)
    record(ledger, [complete(1), running(2)], 2)
    ledger.close()
    again = Ledger(path)
    assert Mark(2, 3, frozenset({2}), start(2)) == job_row(again).mark
    again.close()


def test_a_new_generation_lets_the_old_ones_in_flight_go(path: Path) -> None:
    """They are skipped as gone, and counted."""
    ledger = Ledger(path)
    record(ledger, [running(1)], 1)
    controller = ledger.controllers.get("main", 0).id
    batch = Batch(JobState("app", 1, "Job", 1, 1), "Job", [complete(1, 9)], 1)
    ledger.builds.record(controller, batch, SINKS, 1)
    assert tally(ledger) == {
        ("", "collected"): 1, ("", "skipped: gone"): 1, ("sei", "queued"): 1,
    }  # fmt: skip
    ledger.close()


def test_payloads_go_when_they_were_settled_long_ago(path: Path) -> None:
    """And no sooner: what is queued is kept however old."""
    ledger = Ledger(path)
    record(ledger, [complete(1), complete(2)], 2)
    ledger.outbox.settle(ledger.outbox.queued("sei", 1)[0].id, "delivered", 50, 202)
    assert ledger.outbox.forget_payloads(50) == 0
    assert ledger.outbox.forget_payloads(51) == 1
    assert [queued.number for queued in ledger.outbox.queued("sei", 10)] == [2]
    ledger.close()


def test_the_first_poll_fixes_where_a_controller_begins(path: Path) -> None:
    """A span like 7d must not wander with the clock."""
    ledger = Ledger(path)
    assert ledger.controllers.get("main", 100).since == 100
    assert ledger.controllers.get("main", 900).since == 100
    ledger.close()


def test_a_job_put_off_waits_and_is_counted(path: Path) -> None:
    """The number of failures in a row sets the next wait."""
    ledger = Ledger(path)
    controller = ledger.controllers.get("main", 0).id
    for _ in range(2):
        ledger.jobs.put_off(controller, JobState("app"), "Job", 500)
    assert (job_row(ledger).failures, job_row(ledger).retry_at) == (2, 500)
    record(ledger, [complete(1)], 1)
    assert (job_row(ledger).failures, job_row(ledger).retry_at) == (0, 0)
    ledger.close()


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
    assert len(one.outbox.queued("sei", 10)) == 2
    one.close()
    other.close()


def test_an_old_file_is_brought_up_to_date(path: Path) -> None:
    """Every file that a release has written opens with this one, and none is changed by reading."""
    path.parent.mkdir()
    db = Database(path)
    migrations.apply(db, stop_before="m001_ledger")
    db.close()
    with pytest.raises(LedgerError, match="not yet brought to this version"):
        Ledger(path, read_only=True)
    ledger = Ledger(path)
    assert record(ledger, [complete(1)], 1) == 1
    ledger.close()


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
