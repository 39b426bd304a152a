"""Which steps failed, in which order, and what of the console log is their own."""

from __future__ import annotations

import pytest

from poller.jenkins.stage import Stage, StageTree, Step
from poller.ledger.logs.steps import StepRef
from poller.mapping.failure.failed_steps import (
    TAIL,
    FailedStep,
    console_part,
    console_tail,
    failed_steps,
)
from poller.mapping.redaction import Redactor

PLAIN = Redactor()


def step(number: int, result: str = "SUCCESS", start: int = 0, duration: int = 10) -> Step:
    """One that ran to its end."""
    return Step(str(number), "sh", result, "FINISHED", start, duration)


def stage(
    number: int, result: str = "SUCCESS", *steps: Step, start: int = 0, duration: int = 100
) -> Stage:
    """One that ran to its end."""
    return Stage(str(number), f"S{number}", result, "FINISHED", start, duration, "", list(steps))


def found(*stages: Stage, most: int = 9) -> list[tuple[str, str | None]]:
    """Ids of the failed stages and steps, in order."""
    failed = failed_steps(StageTree(list(stages)), PLAIN, most)
    return [(one.of.stage, one.of.step) for one in failed]


def test_what_failed_first_comes_first() -> None:
    """Of what was not caught; what was stopped because of it comes after it."""
    stopped = stage(10, "ABORTED", step(11, "ABORTED", start=0))
    fails = stage(20, "FAILURE", step(21), step(22, "FAILURE", start=50), start=0)
    sooner = stage(30, "FAILURE", step(31, "FAILURE", start=20))
    caught = stage(40, "SUCCESS", step(41, "FAILURE", start=1))
    unstable = stage(50, "UNSTABLE", step(51, "UNSTABLE", start=2))
    assert found(stopped, fails, sooner, caught, unstable) == [
        ("30", "31"), ("20", "22"), ("10", "11"), ("50", "51"), ("40", "41"),
    ]  # fmt: skip
    assert found(stopped, fails, sooner, most=1) == [("30", "31")]


def test_a_stage_counts_where_no_step_of_it_failed() -> None:
    """And it does not only hold the one that failed, as times tell. wfapi lists 100 steps."""
    holds = stage(10, "FAILURE", start=0, duration=100)
    fails = stage(20, "FAILURE", step(21, "FAILURE", start=20))
    throws = stage(30, "FAILURE", start=200)
    assert found(holds, fails, throws) == [("20", "21"), ("30", None)]
    assert found(holds) == [("10", None)]
    assert found(stage(40, "FAILURE", *[step(n) for n in range(41, 141)])) == [("40", None)]


def test_what_did_not_run_did_not_fail() -> None:
    """Skipped, still running, or well."""
    skipped = Stage("1", "S", "NOT_BUILT", "SKIPPED")
    runs = Stage("2", "S", "UNKNOWN", "RUNNING", steps=[Step("3", "sh", "UNKNOWN", "RUNNING")])
    assert found(skipped, runs, stage(4, "SUCCESS", step(5))) == []


def test_names_and_messages_are_masked() -> None:
    """A message is an error where wfapi told it."""
    told = Stage(
        "1", "Deploy token=abc", "FAILURE", "FINISHED", 5, 6, "password=hunter2 refused",
        [Step("2", "sh password=hunter2", "FAILURE", "FINISHED", 5, 6)],
    )  # fmt: skip
    (one,) = failed_steps(StageTree([told]), PLAIN, 9)
    assert one == FailedStep(
        StepRef("1", "Deploy token=****", "2", "sh password=****"), 5, 11, "password=**** refused"
    )
    (one,) = failed_steps(StageTree([told], "Blue Ocean"), PLAIN, 9)
    assert one.message == ""


FAILED = FailedStep(StepRef("1", "Build", "2", "sh"), 1_767_600_000_100, 1_767_600_001_000)

STAMPED = b"""Started by user alice
[2026-01-05T08:00:00.050Z] before
[2026-01-05T08:00:00.090Z] [Pipeline] sh
[2026-01-05T08:00:00.100Z] + make
[2026-01-05T08:00:01.900Z] late words
[2026-01-05T08:00:02.001Z] [Pipeline] }
[2026-01-05T08:00:09.000Z] after
Finished: FAILURE
"""

MARKED = b"""[Pipeline] stage
[Pipeline] { (Build)
[Pipeline] sh
prepared
[Pipeline] sh
+ make
boom
[Pipeline] }
[Pipeline] // stage
[Pipeline] stage
[Pipeline] { (Post)
[Pipeline] echo
bye
[Pipeline] }
[Pipeline] // stage
ERROR: script returned exit code 2
"""


def test_times_tell_what_a_step_wrote() -> None:
    """And not the marks of other steps."""
    assert console_part(STAMPED, FAILED) == (
        b"[2026-01-05T08:00:00.100Z] + make\n[2026-01-05T08:00:01.900Z] late words\n"
    )


def test_marks_tell_where_no_times_do() -> None:
    """What was written last in the stage of that name."""
    assert console_part(MARKED, FAILED) == b"+ make\nboom\n"


@pytest.mark.parametrize(
    "console",
    [
        b"", b"\n", b"no marks\n", MARKED.replace(b"(Build)", b"(Other)"),
        b"[Pipeline] parallel\n" + MARKED, b"[2026", b"[2026-01-05T08:00:00.050Z] \n[2",
        b"[Pipeline] { (Build)\n[Pipeline] sh\n",
    ],
)  # fmt: skip
def test_where_nothing_tells_there_is_no_part(console: bytes) -> None:
    """Branches that ran side by side are mixed."""
    assert console_part(console, FAILED) == b""
    assert console_part(console, FailedStep(StepRef("1", "Build"), -(10**18), 10**18)) == b""


def test_the_tail_has_whole_lines() -> None:
    """All of a short log."""
    assert console_tail(b"a\nb\n") == b"a\nb\n"
    tail = console_tail(b"x" * 99 + b"\n" + b"line\n" * TAIL)
    assert len(tail) <= TAIL
    assert tail.startswith(b"line\n")
