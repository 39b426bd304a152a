"""The ledger: what is recorded, and what is waited for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from poller.core.build_key import BuildKey
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, JobProgress, JobState
from tests.support.ledgers import SINKS, build_key, complete, job_row, record, running, tally
from tests.support.outbox import queued


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
    assert [queued.number for queued in queued(ledger, "sei", 10)] == [1, 2]
    assert queued(ledger, "sei", 10)[0].payload == b'{"n":1}'
    ledger.close()


def test_the_watermark_waits_for_what_runs_and_what_is_queued(path: Path) -> None:
    """It moves when deliveries settle, and never past a build in flight."""
    ledger = Ledger(path)
    record(ledger, [complete(1), running(2), complete(3)], 3)
    assert stored_watermark(path) == 0
    for delivery in queued(ledger, "sei", 10):
        ledger.outbox.settle(delivery.id, "delivered", 2, 202)
    assert stored_watermark(path) == 1
    record(ledger, [complete(2)], 3)
    ledger.outbox.settle(queued(ledger, "sei", 10)[0].id, "rejected", 3, 400, "no")
    assert stored_watermark(path) == 3
    ledger.close()


def test_a_build_never_goes_back(path: Path) -> None:
    """Collected stays collected, whatever is said later."""
    ledger = Ledger(path)
    record(ledger, [complete(1)], 1)
    record(ledger, [running(1)], 1)
    assert frozenset() == job_row(ledger).progress.in_flight
    ledger.close()


def test_progress_comes_back_as_it_was_saved(path: Path) -> None:
    """Also from another process's file."""
    ledger = Ledger(path)
    record(ledger, [complete(1), running(2)], 2)
    ledger.close()
    again = Ledger(path)
    assert JobProgress(2, 3, frozenset({2}), build_key(2)) == job_row(again).progress
    again.close()


def test_jobs_whose_numbers_were_shifted_are_named(path: Path) -> None:
    """Those that go on in another generation with no number used twice; not one created anew."""
    with Ledger(path) as ledger:
        record(ledger, [complete(1), complete(2)], 2)
        with ledger.file.write("spoil it") as conn:
            conn.execute("update job set generation = 1, number_offset = 2")
        assert ledger.jobs.shifted() == []
        with ledger.file.write("spoil it") as conn:
            conn.execute(
                "insert into build (job, generation, number, timestamp, duration, state)"
                " values (1, 1, 3, 5, 5, 'collected')"
            )
        assert ledger.jobs.shifted() == ["app"]
        with ledger.file.write("spoil it") as conn:
            conn.execute(
                "insert into build (job, generation, number, timestamp, duration, state)"
                " values (1, 1, 1, 5, 5, 'collected')"
            )
        assert ledger.jobs.shifted() == []


def test_idle_jobs_are_told_from_active_ones(path: Path) -> None:
    """Idle is what was collected up to its counter and waits for no build; a job that is asked
    for by name is given, whatever it does."""
    ledger = Ledger(path)
    record(ledger, [complete(1), running(2)], 2)
    controller = ledger.controllers.get("main", 0).id
    ledger.jobs.pass_over(controller, [("quiet", "Job", 7, None)])
    ledger.jobs.put_off(controller, JobState("new"), "Job", 5)
    assert ledger.jobs.idle(controller) == {"quiet": 7}
    assert ledger.jobs.active(controller, []) == {"app": job_row(ledger)}
    assert set(ledger.jobs.active(controller, ["quiet", "new", "no such"])) == {
        "app", "quiet", "new",
    }  # fmt: skip
    record(ledger, [complete(2)], 2)
    assert ledger.jobs.idle(controller) == {"app": 3, "quiet": 7}
    ledger.jobs.note_missing([1])
    assert ledger.jobs.idle(controller) == {"quiet": 7}
    assert set(ledger.jobs.active(controller, [])) == {"app"}
    assert ledger.jobs.idle(controller + 1) == {}
    ledger.close()


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
    ledger.outbox.settle(queued(ledger, "sei", 1)[0].id, "delivered", 5_000, 202)
    assert ledger.outbox.forget_payloads(5_000) == 0
    assert ledger.outbox.forget_payloads(5_001) == 1
    assert [queued.number for queued in queued(ledger, "sei", 10)] == [2]
    ledger.close()


def test_the_first_poll_fixes_where_a_controller_begins(path: Path) -> None:
    """A span like 7d must not wander with the clock."""
    ledger = Ledger(path)
    assert ledger.controllers.get("main", 100).since == 100
    assert ledger.controllers.get("main", 900).since == 100
    ledger.close()


def test_a_postponed_job_waits_and_is_counted(path: Path) -> None:
    """The number of failures in a row sets the next wait."""
    ledger = Ledger(path)
    controller = ledger.controllers.get("main", 0).id
    for _ in range(2):
        ledger.jobs.put_off(controller, JobState("app"), "Job", 500)
    assert (job_row(ledger).failures, job_row(ledger).retry_at) == (2, 500)
    record(ledger, [complete(1)], 1)
    assert (job_row(ledger).failures, job_row(ledger).retry_at) == (0, 0)
    ledger.close()


def test_counts_are_what_counting_gives(path: Path) -> None:
    """However a build or a delivery changes."""
    with Ledger(path) as ledger:
        record(ledger, [complete(1), complete(2), complete(3), running(4)], 4)
        for delivery, outcome in zip(
            queued(ledger, "sei", 2), ("delivered", "rejected"), strict=True
        ):
            ledger.outbox.settle(delivery.id, outcome, 2, 200)  # type: ignore[arg-type]
        ledger.outbox.requeue(2, 3, None, ())
        record(ledger, [BuildRow(build_key(4), 1, "ABORTED", "skipped", "result ABORTED")], 4)
        counted = {
            (row["sink"], row["state"]): row["n"]
            for row in ledger.file.rows(
                "select '' as sink, iif(state = 'skipped', 'skipped: ' || reason, state) as state,"
                " count(*) as n from build group by 2"
                " union all select sink, state, count(*) from delivery group by 1, 2"
            )
        }
        assert counted == tally(ledger)
        assert ledger.outbox.count_queued() == 2


def test_a_retry_takes_the_watermark_back(path: Path) -> None:
    """What is queued again is not settled."""
    with Ledger(path) as ledger:
        record(ledger, [complete(1), complete(2)], 2)
        for delivery in queued(ledger, "sei", 2):
            ledger.outbox.settle(delivery.id, "rejected", 2, 400, "no")
        assert stored_watermark(path) == 2
        ledger.outbox.requeue(2, 3, None, ())
        assert stored_watermark(path) == 1


def test_what_lies_before_the_beginning_holds_no_watermark_back(path: Path) -> None:
    """A backfill's builds are kept apart from the mark of the polls."""
    with Ledger(path) as ledger:
        controller = ledger.controllers.get("main", 5_000).id
        ledger.builds.record(
            controller, Batch(JobState("app"), "Job", [complete(7, 6_000)], 7), SINKS, 1
        )
        ledger.outbox.settle(queued(ledger, "sei", 1)[0].id, "delivered", 2, 202)
        assert stored_watermark(path) == 7
        job = ledger.jobs.states(controller)["app"]
        assert (
            ledger.builds.record(
                controller, Batch(job, "Job", [complete(3, 3_000)]), SINKS, 1
            ).collected
            == 1
        )
        assert stored_watermark(path) == 7


def test_a_stale_collection_is_dropped_whole(path: Path) -> None:
    """Another process has found meanwhile that the job was created anew."""
    with Ledger(path) as ledger:
        record(ledger, [complete(1)], 1)
        newer = JobState("app", 1, "Job", 1, 1)
        ledger.builds.record(1, Batch(newer, "Job", [complete(1, 9_000)], 1), SINKS, 1)
        assert ledger.builds.record(
            1, Batch(JobState("app", 1), "Job", [complete(2)], 2), SINKS, 1
        ).stale
        assert job_row(ledger).generation == 1
        assert len(queued(ledger, "sei", 10)) == 2


def test_no_step_of_a_poll_or_delivery_walks_through_all_builds(path: Path) -> None:
    """Every statement finds its rows by an index, however many builds there are."""
    said: set[str] = set()
    with Ledger(path) as ledger:
        ledger.file.conn.set_trace_callback(said.add)
        record(ledger, [complete(1), complete(2), running(3)], 3)
        state = job_row(ledger)
        ledger.builds.of_job(state, [1, 2])
        ledger.builds.same(1, state, [build_key(1)])
        ledger.reconciliation.entries(1, state, [build_key(1), BuildKey(2, 0)])
        for delivery in queued(ledger, "sei", 10):
            ledger.outbox.settle(delivery.id, "rejected", 2, 400, "no")
        ledger.outbox.rejected()
        ledger.outbox.requeue(1, 3, None, ())
        ledger.outbox.oldest_queued()
        ledger.outbox.forget_payloads(1)
        ledger.controllers.all()
        ledger.incomplete.count("main")
        ledger.incomplete.newest("main", 5)
        ledger.jobs.give_up_in_flight(state)
        ledger.file.conn.set_trace_callback(None)
        walks = [
            (step, statement)
            for statement in said
            if statement.lstrip().lower().startswith(("select", "insert", "update", "delete"))
            for *_, step in ledger.file.conn.execute(f"explain query plan {statement}")
            if step in ("SCAN b", "SCAN build", "SCAN d", "SCAN delivery", "SCAN p", "SCAN payload")
        ]
    assert walks == []
    assert len(said) > 20


def test_a_clock_that_was_behind_makes_nothing_old(path: Path) -> None:
    """What was settled before its build began, by our clock, is as old as the build."""
    with Ledger(path) as ledger:
        record(ledger, [complete(3)], 3)
        ledger.outbox.settle(queued(ledger, "sei", 1)[0].id, "delivered", 1, 202)
        assert ledger.outbox.forget_payloads(build_key(3).timestamp) == 0
        assert ledger.outbox.forget_payloads(build_key(3).timestamp + 1) == 1


def test_compared_by_a_clock_that_was_ahead(path: Path) -> None:
    """Counts as not compared: the job does not wait until the clock is there."""
    with Ledger(path) as ledger:
        record(ledger, [complete(1)], 1)
        controller = ledger.controllers.get("main", 0).id
        ledger.jobs.pass_over(controller, [("web", "Job", 2, build_key(1))])
        jobs = ledger.jobs.states(controller)
        ledger.reconciliation.record_check(jobs["app"].id, 9_000_000)
        ledger.reconciliation.record_check(jobs["web"].id, 5_000)
        assert ledger.reconciliation.least_recently_checked(controller, 6_000) == ["app", "web"]
        assert ledger.reconciliation.least_recently_checked(controller, 9_000_001)[0] == "web"
