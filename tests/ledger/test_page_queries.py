"""What the status page reads: counts kept by triggers, and pages of builds, on a real file."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.core.build_key import BuildKey
from poller.core.errors import LedgerError
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, BuildState, JobState
from tests.support.ledgers import LEDGERS
from tests.support.outbox import queued

DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS + 5 * 3_600_000
WEEK = NOW - 6 * DAY_MS

OLD = LEDGERS / "m001.db"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def record(
    ledger: Ledger,
    job: str,
    number: int,
    *,
    state: BuildState = "collected",
    result: str | None = "SUCCESS",
    timestamp: int = NOW - 1000,
    duration: int = 500,
    at: int = NOW,
) -> None:
    """One build."""
    controller = ledger.controllers.get("main", 0).id
    known = ledger.jobs.states(controller).get(job, JobState(job))
    payload = b"{}" if state == "collected" else None
    reason = "rule" if state == "skipped" else None
    build = BuildRow(
        BuildKey(number, timestamp, 1000 * sum(job.encode()) + number),
        duration,
        result,
        state,
        reason,
        payload,
    )
    ledger.builds.record(controller, Batch(known, "Job", [build], number), ["sei"], at)


def counted(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """The counts as the triggers keep them."""
    with sqlite3.connect(path) as conn:
        found = {
            "result_day": sorted(conn.execute("select * from result_day")),
            "job_day": sorted(conn.execute("select * from job_day")),
            "delivery_hour": sorted(conn.execute("select * from delivery_hour")),
        }
    conn.close()
    return found


def test_results_and_failing_jobs_of_a_week(ledger: Ledger) -> None:
    """A build counts on the day it ended on, once; one in flight not yet."""
    record(ledger, "a", 1, state="in_flight", result=None)
    assert ledger.page_queries.results(WEEK, NOW) == {}
    record(ledger, "a", 1, result="FAILURE")
    record(ledger, "a", 1, result="FAILURE")
    record(ledger, "a", 2)
    record(ledger, "b", 1, result="FAILURE")
    record(ledger, "b", 2, result="FAILURE")
    record(ledger, "b", 3, state="skipped", result="NOT_BUILT")
    record(ledger, "b", 4, result="FAILURE", timestamp=WEEK - 2 * DAY_MS)
    assert ledger.page_queries.results(WEEK, NOW) == {"FAILURE": 3, "NOT_BUILT": 1, "SUCCESS": 1}
    failing = ledger.page_queries.failing(WEEK, NOW, 10)
    assert [(f["full_name"], f["failed"], f["builds"]) for f in failing] == [
        ("b", 2, 3),
        ("a", 1, 2),
    ]
    assert len(ledger.page_queries.failing(WEEK, NOW, 1)) == 1


def test_deliveries_by_hour(ledger: Ledger) -> None:
    """Queued when it was collected, settled when the sink said so."""
    hour = 3_600_000
    for number in (1, 2, 3):
        record(ledger, "a", number, at=NOW - 3 * hour)
    first, second, _ = queued(ledger, "sei", 10)
    assert (first.controller, first.ended) == ("main", NOW - 500)
    ledger.outbox.settle(first.id, "delivered", NOW - hour, 202)
    ledger.outbox.settle(second.id, "rejected", NOW, 400, "no")
    rows = ledger.page_queries.hours(NOW - DAY_MS, NOW)
    assert [
        ((NOW - row["hour"]) // hour, row["queued"], row["delivered"], row["rejected"])
        for row in rows
    ] == [(3, 3, 0, 0), (1, 0, 1, 0), (0, 0, 0, 1)]
    (rejected,) = ledger.page_queries.rejected("sei", 10)
    assert (rejected["number"], rejected["status"], rejected["answer"]) == (2, 400, "no")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(1, 4),
            st.sampled_from(["in_flight", "collected", "skipped"]),
            st.sampled_from(["SUCCESS", "FAILURE", None]),
            st.integers(-1, 3 * DAY_MS),
        ),
        max_size=12,
    )
)
def test_counts_are_what_counting_would_give(
    builds: list[tuple[str, int, BuildState, str | None, int]],
) -> None:
    """Whatever is recorded in whatever order."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        with Ledger(path) as ledger:
            for job, number, state, result, timestamp in builds:
                record(ledger, job, number, state=state, result=result, timestamp=timestamp)
        with sqlite3.connect(path) as conn:
            counts = conn.execute(
                "select (timestamp + duration) / 86400000, job, count(*),"
                " sum(result = 'FAILURE') from build where state <> 'in_flight'"
                " and result is not null and timestamp > 0 group by 1, 2"
            ).fetchall()
        conn.close()
        assert sorted(counts) == counted(path)["job_day"]


@pytest.mark.parametrize(
    ("timestamp", "duration"),
    [(2**63 - 1, 2**62), (0, 5), (-5, 5), (NOW, -(2**40)), (4_102_444_800_001, 1)],
)
def test_a_clock_gone_wild_is_recorded_and_not_counted(
    ledger: Ledger, timestamp: int, duration: int
) -> None:
    """No number of Jenkins' can stop the ledger."""
    record(ledger, "a", 1, timestamp=timestamp, duration=duration)
    assert ledger.page_queries.results(0, 2**62) == {}
    assert len(queued(ledger, "sei", 10)) == 1


def test_an_old_file_is_counted_when_it_is_opened(tmp_path: Path) -> None:
    """The counts of a file of the first version are those of its builds."""
    path = tmp_path / "ledger.db"
    shutil.copy(OLD, path)
    Ledger(path).close()
    with sqlite3.connect(path) as conn:
        (builds,) = conn.execute(
            "select count(*) from build where state <> 'in_flight' and result is not null"
        ).fetchone()
        (deliveries,) = conn.execute("select count(*) from delivery").fetchone()
    conn.close()
    found = counted(path)
    assert builds > 0
    assert builds == sum(int(str(row[-1])) for row in found["result_day"])
    assert builds == sum(int(str(row[2])) for row in found["job_day"])
    assert deliveries == sum(int(str(row[3])) for row in found["delivery_hour"])


def test_old_counts_go(ledger: Ledger) -> None:
    """And no others."""
    record(ledger, "a", 1, timestamp=NOW - 40 * DAY_MS, at=NOW - 40 * DAY_MS)
    record(ledger, "a", 2)
    ledger.page_queries.forget(NOW - 35 * DAY_MS)
    assert ledger.page_queries.results(0, NOW) == {"SUCCESS": 1}
    assert len(ledger.page_queries.hours(0, NOW)) == 1


def test_pages_of_builds_have_each_build_once(ledger: Ledger) -> None:
    """Also where many started at the same moment with the same number."""
    for job in "abcdefg":
        for number in (1, 2, 3):
            record(ledger, job, number)
    seen: list[int] = []
    before: tuple[int, int, int] | None = None
    while page := ledger.page_queries.recent(NOW, 4, before):
        seen += [build["id"] for build in page]
        before = (page[-1]["timestamp"], page[-1]["number"], page[-1]["id"])
    assert 21 == len(seen) == len(set(seen))


def test_jobs_are_found_by_part_of_their_name(ledger: Ledger) -> None:
    """The whole name first; signs that a pattern would read are only signs."""
    for job in ("team/app-two", "team/App", "per%cent", "other"):
        record(ledger, job, 1)
    names = [job["full_name"] for job in ledger.page_queries.jobs_named("team/app", 10)]
    assert names == ["team/App", "team/app-two"]
    assert [j["full_name"] for j in ledger.page_queries.jobs_named("%", 10)] == ["per%cent"]


def test_a_read_that_takes_too_long_is_ended(ledger: Ledger, tmp_path: Path) -> None:
    """One without an end ends with a LedgerError, and the next one works."""
    record(ledger, "a", 1)
    with Ledger(tmp_path / "ledger.db", read_only=True) as reader:
        with pytest.raises(LedgerError, match="interrupted"), reader.page_queries.snapshot(0.05):
            reader.file.rows(
                "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
            )
        with reader.page_queries.snapshot(5):
            assert len(reader.page_queries.recent(NOW, 10)) == 1


def test_a_read_sees_one_state(ledger: Ledger, tmp_path: Path) -> None:
    """What is recorded meanwhile is for the next."""
    record(ledger, "a", 1)
    with Ledger(tmp_path / "ledger.db", read_only=True) as reader:
        with reader.page_queries.snapshot(5):
            assert len(reader.page_queries.recent(NOW, 10)) == 1
            record(ledger, "a", 2)
            assert len(reader.page_queries.recent(NOW, 10)) == 1
        with reader.page_queries.snapshot(5):
            assert len(reader.page_queries.recent(NOW, 10)) == 2
