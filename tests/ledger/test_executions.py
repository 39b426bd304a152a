"""What the ledger keeps for IaCM, on a real file."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from poller.config.servers import ControllerConfig, JsonlConfig
from poller.config.settings import Settings
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, JobState
from poller.status.snapshot import snapshot
from tests.support.ledgers import LEDGERS, complete
from tests.support.outbox import queued

SINKS = ("sei", "iacm")
BODY = b'{"pipeline":"app","pipeline_execution_id":"e","pipeline_stage_id":"6","workspace":"w"}'


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One of the test's own."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def record(ledger: Ledger, *builds: BuildRow, sinks: tuple[str, ...] = SINKS) -> int:
    """Record builds of a job; the controller's id."""
    controller = ledger.controllers.get("main", 0).id
    job = ledger.jobs.states(controller).get("app", JobState("app"))
    ledger.builds.record(controller, Batch(job, "Job", builds, len(builds)), sinks, 1)
    return controller


def with_body(number: int) -> BuildRow:
    """A build with an execution."""
    return dataclasses.replace(complete(number), execution=BODY)


def without(number: int, why: str) -> BuildRow:
    """A build without one."""
    return dataclasses.replace(complete(number), no_execution=why)


def tally(ledger: Ledger) -> dict[tuple[str, str], int]:
    """Its counts, of IaCM."""
    (row,) = ledger.controllers.all()
    return {key: n for key, n in row["tally"].items() if key[0] == "iacm" and n}


def test_each_sink_has_a_body_of_its_own(ledger: Ledger) -> None:
    """And only what has one is queued for IaCM; the rest is counted by reason, or not at all."""
    record(ledger, with_body(1), without(2, "no stage tree"), without(3, "no stage"), complete(4))
    assert [(q.number, q.payload) for q in queued(ledger, "iacm", 9)] == [(1, BODY)]
    assert [q.number for q in queued(ledger, "sei", 9)] == [1, 2, 3, 4]
    assert tally(ledger) == {
        ("iacm", "queued"): 1, ("iacm", "skipped: no stage tree"): 1,
        ("iacm", "skipped: no stage"): 1,
    }  # fmt: skip


def test_it_outlives_the_payload(ledger: Ledger) -> None:
    """A comparison with IaCM needs the ids long after the payload was dropped."""
    controller = record(ledger, with_body(1))
    for sink in SINKS:
        ledger.outbox.settle(queued(ledger, sink, 1)[0].id, "delivered", 2, 200)
    assert ledger.outbox.forget_payloads(10_000) == 1
    (kept,) = ledger.executions.recorded(controller, 0)
    assert (kept.number, kept.state, kept.body) == (1, "delivered", BODY)
    ledger.executions.queue_again(kept.build, 3)
    assert [q.payload for q in queued(ledger, "iacm", 9)] == [BODY]
    assert queued(ledger, "sei", 9) == []


def test_a_retry_counts_anew(ledger: Ledger) -> None:
    """What had an execution may have none now, and the other way round."""
    record(ledger, with_body(1), without(2, "no stage tree"))
    first = queued(ledger, "iacm", 9)[0]
    ledger.outbox.settle(first.id, "rejected", 2, 400, "no")
    ledger.outbox.requeue(1, 3, without(1, "no stage"), ())
    assert queued(ledger, "iacm", 9) == []
    assert tally(ledger)["iacm", "skipped: no stage"] == 1
    ledger.outbox.requeue(1, 3, with_body(1), ())
    assert tally(ledger) == {("iacm", "queued"): 1, ("iacm", "skipped: no stage tree"): 1}


def test_mending_a_run_records_no_second_execution(ledger: Ledger) -> None:
    """A run that differs is sent to the sinks of runs again; IaCM has the build already."""
    record(ledger, with_body(1))
    for sink in SINKS:
        ledger.outbox.settle(queued(ledger, sink, 1)[0].id, "delivered", 2, 200)
    ledger.outbox.requeue(1, 3, with_body(1), ("sei", "iacm"))
    assert (len(queued(ledger, "sei", 9)), queued(ledger, "iacm", 9)) == (1, [])


def test_a_build_waits_for_both(ledger: Ledger) -> None:
    """It is settled, and its payload dropped, when both sinks have answered."""
    controller = record(ledger, with_body(1))
    ledger.outbox.settle(queued(ledger, "sei", 1)[0].id, "delivered", 2, 200)
    assert ledger.outbox.forget_payloads(10_000) == 0
    assert [entry.queued for entry in entries(ledger, controller)] == [("iacm",)]
    ledger.outbox.settle(queued(ledger, "iacm", 1)[0].id, "rejected", 3, 400, "no")
    assert ledger.outbox.forget_payloads(10_000) == 1
    assert [entry.queued for entry in entries(ledger, controller)] == [()]


def entries(ledger: Ledger, controller: int):  # type: ignore[no-untyped-def]
    """What the ledger says of the job's first build."""
    job = ledger.jobs.states(controller)["app"]
    return ledger.reconciliation.entries(controller, job, [complete(1).key])


def test_an_old_file_takes_executions(tmp_path: Path) -> None:
    """After it was brought up to date: what it had is as it was, and nothing of it goes to IaCM."""
    path = tmp_path / "ledger.db"
    shutil.copy(LEDGERS / "m001.db", path)
    with Ledger(path) as ledger:
        assert [q.number for q in queued(ledger, "sei", 10)] == [2]
        assert queued(ledger, "iacm", 10) == []
        assert list(ledger.executions.recorded(1, 0)) == []
        job = JobState("new")
        batch = Batch(job, "Job", [with_body(1), without(2, "no stage tree")], 2)
        ledger.builds.record(1, batch, SINKS, 1)
        assert [q.payload for q in queued(ledger, "iacm", 10)] == [BODY]
        assert tally(ledger)["iacm", "skipped: no stage tree"] == 1


def test_what_is_skipped_for_iacm_is_no_skipped_build(ledger: Ledger) -> None:
    """It was collected, and SEI gets it: the page counts it as that."""
    record(ledger, with_body(1), without(2, "no stage tree"))
    controller = ControllerConfig(name="main", url="https://j/", user="u", token_env="T")
    settings = Settings(controllers=(controller,), jsonl=JsonlConfig(path="runs.jsonl"))
    (state,) = snapshot(ledger, settings, 1).controllers
    assert (state.builds["skipped"], state.queued) == (0, 3)
