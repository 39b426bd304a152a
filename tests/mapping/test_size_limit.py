"""The size of a payload: never over the limit, whatever is in it."""

from __future__ import annotations

import functools

import msgspec
import pytest

from poller.config.rules import Rule
from poller.config.servers import SeiConfig
from poller.jenkins.build import Action, ArchivedFile, Build, Change, ChangeSet
from poller.jenkins.stage import Stage, StageTree, Step
from poller.mapping.map_build import MappedRun
from poller.mapping.names import JobInfo
from poller.mapping.payload import JobRun
from poller.mapping.size_limit import characters, limit_size
from tests.support.git_build import SHA, git, map_one

QUOTE = '"'
"""Each becomes two characters in JSON."""


def run_of(
    build: Build, stages: int = 0, full_name: str = "app", rule: Rule | None = None
) -> MappedRun:
    """A build of 90 long steps a stage, mapped."""
    steps = [Step(str(n), "Shell Script", description="x" * 1000 + str(n)) for n in range(90)]
    tree = StageTree([Stage(str(n), "é" * 200, steps=steps) for n in range(stages)])
    job = JobInfo(full_name, 0, 0, multibranch=False)
    done = map_one(build, tree if stages else None, job=job, rules=(rule,) if rule else ())
    assert isinstance(done, MappedRun)
    return done


LARGE = Build(
    7,
    1_700_000_000_000,
    result="SUCCESS",
    changeSet=ChangeSet(items=[Change(f"{n:040x}") for n in range(1_000)]),
    artifacts=[ArchivedFile(f"f{n}", f"{QUOTE * 900}{n}") for n in range(100)],
    actions=[
        git(f"https://git/{QUOTE * 3_000}"),
        Action(
            "hudson.model.ParametersAction",
            parameters=[{"_class": "x.StringParameterValue", "name": f"n{n}", "value": QUOTE * 3_000} for n in range(400)],
        ),
        Action("hudson.model.CauseAction", causes=[{"_class": QUOTE * 300, "addr": QUOTE * 900}] * 100),
    ],
)  # fmt: skip
NAME = f"{QUOTE * 240}"
LONG = "/".join([QUOTE * 240] * 10)
RULE = Rule(
    match="**",
    archived_files=("**",),
    themes=(NAME,) * 100,
    project_name=NAME,
    module_name=NAME,
    pipeline=NAME,
)


@functools.cache
def largest() -> JobRun:
    """All that is long, in one run."""
    return run_of(LARGE, 8, LONG, RULE).run


@pytest.mark.parametrize(
    ("stages", "limit", "left_out"),
    [
        (1, 480_000, None),
        (10, 20_000, "steps"),
        (60, 10_000, "steps, stages"),
    ],
)
def test_steps_go_first_then_stages(stages: int, limit: int, left_out: str | None) -> None:
    """And what is left out is said."""
    body, told = limit_size(run_of(Build(7, 1, result="SUCCESS"), stages).run, limit)
    assert left_out == told
    assert len(body.decode()) <= limit


def test_then_all_that_sei_does_not_need() -> None:
    """In a documented order, and no further than is needed."""
    run = run_of(LARGE, 1, rule=RULE).run
    body, told = limit_size(run, 480_000)
    assert told == "steps, stages, artifacts, job_run_params"
    assert len(msgspec.json.decode(body)["scm_commit_ids"]) == 1_000


def test_the_smallest_limit_is_kept_by_the_largest_run() -> None:
    """The run is whole enough for SEI: what it requires is there."""
    smallest = SeiConfig.model_fields["body_limit"].metadata[0].ge
    body, told = limit_size(largest(), smallest)
    assert characters(body) <= smallest
    assert told is not None
    assert told.endswith("trigger_chain, scm_commit_ids, themes, repo_url")
    required = {
        "pipeline", "job_full_name", "qualified_name", "instance_name", "instance_guid",
        "start_time", "duration", "result",
    }  # fmt: skip
    assert required <= msgspec.json.decode(body).keys()
    assert SHA not in body.decode()


@pytest.mark.parametrize("limit", [10_000, 12_345, 20_000, 100_000, 480_000, 600_000])
def test_never_over_the_limit(limit: int) -> None:
    """Whatever the limit."""
    body, _ = limit_size(largest(), limit)
    assert characters(body) <= limit
