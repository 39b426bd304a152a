"""Step logs, first causes and failed tests in the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poller.config.settings import Settings
from poller.core.build_key import BuildKey
from poller.core.kept_log import KeptLog, pack
from poller.core.times import DAY_MS
from poller.ledger import Ledger
from poller.ledger.deliveries.outbox import DROPPED
from poller.ledger.logs.failures import FailedTest, FailureFacts, FirstCause, keep_failure
from poller.ledger.logs.steps import StepLog, StepRef
from poller.ledger.logs.waiting import LogAge
from poller.ledger.records import Batch, BuildRow, JobState
from poller.ledger.retention import apply_retention
from tests.support.ledgers import LEDGERS

MAKE = StepRef("6", "Build", "9", "Shell Script")
DEPLOY = StepRef("12", "Deploy", result="ABORTED")
TEST = FailedTest("suite", "com.acme.CartTest", "total", "REGRESSION", 12, "expected 3", "at\nit")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def step_log(of: StepRef, text: str, left_out: int = 0, read_error: str | None = None) -> StepLog:
    """What was read of the log of a step."""
    raw = text.encode()
    return StepLog(of, "wfapi", KeptLog(pack(raw), len(raw) + left_out, left_out, read_error))


def keep(ledger: Ledger, number: int, found: FailureFacts, at: int = 1) -> int:
    """Record a failed build with what was found out of it. Its id."""
    controller = ledger.controllers.get("main", 0).id
    state = ledger.jobs.states(controller).get("app", JobState("app"))
    row = BuildRow(
        BuildKey(number, 1_000 * number, number), 5, "FAILURE", "collected", None, b"{}",
        failure=found,
    )  # fmt: skip
    ledger.builds.record(controller, Batch(state, "Job", [row], number), ("sei",), at)
    (build,) = ledger.file.rows("select id from build where number = ?", number)
    return int(build["id"])


def test_step_logs_come_back_as_they_were_kept(ledger: Ledger) -> None:
    """In their order; one that could not be had says why."""
    none = StepLog(DEPLOY, "console", KeptLog(read_error="HTTP 500"))
    build = keep(ledger, 1, FailureFacts([step_log(MAKE, "boom\n日本\n", left_out=100), none]))
    first, second = ledger.step_logs.of_build(build)
    assert (first.place, first.of, first.source, first.size, first.left_out) == (
        0, MAKE, "wfapi", 112, 100,
    )  # fmt: skip
    assert ledger.step_logs.text(build, first.place).decode() == "boom\n日本\n"
    assert (second.of, second.read_error) == (DEPLOY, "HTTP 500")
    assert ledger.step_logs.text(build, second.place) == ledger.step_logs.text(build, 7) == b""
    assert ledger.step_logs.of_build(build + 1) == []


def test_a_cause_and_failed_tests_come_back(ledger: Ledger) -> None:
    """Also by the views that others read."""
    cause = FirstCause("make: *** [all] Error 2", "compiler", MAKE, 0, 17)
    build = keep(ledger, 1, FailureFacts(cause=cause, tests=[TEST]))
    assert ledger.failures.cause(build) == cause
    assert ledger.failures.tests(build) == [TEST]
    (row,) = ledger.file.rows("select * from failures")
    assert row == {
        "controller": "main", "job": "app", "generation": 0, "number": 1, "result": "FAILURE",
        "started_at": "1970-01-01T00:00:01.000Z", "stage": "Build", "step": "Shell Script",
        "cause": "make: *** [all] Error 2", "category": "compiler", "line": 17,
    }  # fmt: skip
    (row,) = ledger.file.rows("select * from test_failures")
    assert (row["number"], row["class_name"], row["name"]) == (1, "com.acme.CartTest", "total")
    assert (row["status"], row["duration_ms"], row["message"]) == ("REGRESSION", 12, "expected 3")


def test_a_cause_without_a_step_is_one(ledger: Ledger) -> None:
    """Of a freestyle build."""
    cause = FirstCause("Build timed out", "timeout", line=3)
    build = keep(ledger, 1, FailureFacts(cause=cause))
    assert ledger.failures.cause(build) == cause
    assert ledger.failures.cause(build + 1) is None


def test_they_go_with_the_logs(ledger: Ledger) -> None:
    """Those that were read long ago, of builds that began long ago."""
    facts = FailureFacts([step_log(MAKE, "x\n")], FirstCause("x", "other"), [TEST])
    old, young = keep(ledger, 1, facts, at=10_000), keep(ledger, 2, facts, at=20_000)
    late = keep(ledger, 15, facts, at=9_000)
    assert ledger.failures.forget(LogAge(10_001, 10_001)) == 3
    for build, kept in ((old, 0), (young, 1), (late, 1)):
        assert len(ledger.step_logs.of_build(build)) == kept
        assert (ledger.failures.cause(build) is not None, len(ledger.failures.tests(build))) == (
            bool(kept), kept,
        )  # fmt: skip


def test_what_jenkins_has_no_more_is_not_forgotten(ledger: Ledger) -> None:
    """When a build is looked at again; what it has now takes the place of what it had."""
    cause = FirstCause("boom", "error", MAKE, 0, 1)
    build = keep(ledger, 1, FailureFacts([step_log(MAKE, "boom\n")], cause, [TEST]))
    gone = FailureFacts([StepLog(MAKE, "console", KeptLog(read_error="HTTP 404"))])
    with ledger.file.write("test") as conn:
        keep_failure(conn, build, gone, 2)
    assert ledger.step_logs.text(build, 0) == b"boom\n"
    assert (ledger.failures.cause(build), ledger.failures.tests(build)) == (cause, [TEST])
    other = FirstCause("bang", "error", DEPLOY, 0, 1)
    with ledger.file.write("test") as conn:
        keep_failure(conn, build, FailureFacts([step_log(DEPLOY, "bang\n")], other), 3)
    (row,) = ledger.step_logs.of_build(build)
    assert (row.of, ledger.failures.cause(build)) == (
        DEPLOY,
        replace(other, of=StepRef("12", "Deploy")),
    )


def test_how_long_they_are_kept_the_config_says(ledger: Ledger) -> None:
    """As for console logs."""
    build = keep(ledger, 1, FailureFacts([step_log(MAKE, "x\n")], tests=[TEST]), at=1_000)
    keep(ledger, 90_000, FailureFacts(), at=90_000_000)
    apply_retention(ledger, settings(keep_logs="2d"), 2 * DAY_MS)
    assert ledger.step_logs.of_build(build) != []
    apply_retention(ledger, settings(keep_logs="1d"), 2 * DAY_MS)
    assert ledger.step_logs.of_build(build) == []
    assert ledger.failures.tests(build) == []


def test_what_waits_for_sei_keeps_its_logs(ledger: Ledger) -> None:
    """Twice as long as others, and then says why it goes without."""
    facts = FailureFacts([step_log(MAKE, "x\n")], FirstCause("x", "other"), [TEST])
    waits, sent = keep(ledger, 1, facts, at=1_000), keep(ledger, 2, facts, at=1_000)
    keep(ledger, 999_000, FailureFacts(), at=999_000_000)
    ledger.outbox.settle(2, "delivered", 3)
    for days, kept in ((1.5, True), (2.5, False)):
        apply_retention(ledger, settings(keep_logs="1d", logs="failed"), int(days * DAY_MS))
        assert ledger.step_logs.of_build(sent) == []
        assert (ledger.step_logs.of_build(waits) != []) is kept
        assert (ledger.failures.tests(waits) != []) is kept
    said = ledger.file.rows("select without_logs from delivery order by id")
    assert [row["without_logs"] for row in said] == [DROPPED, None, None]


def settings(keep_logs: str, logs: str = "none") -> Settings:
    """A config."""
    url = "https://jenkins.example.com/"
    controller = {"name": "main", "url": url, "user": "bob", "token_env": "T"}
    sei = {"environment": "PROD2", "api_key_env": "K", "logs": logs}
    return Settings.model_validate(
        {"controllers": (controller,), "sei": sei, "ledger": {"keep_logs": keep_logs}}
    )


@pytest.mark.parametrize("name", ["m001.db", "m011.db"])
def test_an_old_file_takes_them(tmp_path: Path, name: str) -> None:
    """After it was brought up to date."""
    path = tmp_path / "ledger.db"
    shutil.copy(LEDGERS / name, path)
    with Ledger(path) as ledger:
        build = keep(ledger, 900, FailureFacts([step_log(MAKE, "x\n")], tests=[TEST]))
        assert ledger.step_logs.text(build, 0) == b"x\n"
        assert ledger.failures.tests(build) == [TEST]
