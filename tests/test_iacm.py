"""Terraform builds on record at Harness IaCM: the second sink."""

from __future__ import annotations

import pytest

from poller.demo.stages import Stages
from tests.iacm import Place


def test_a_build_of_a_workspace_is_recorded_once(place: Place) -> None:
    """With the ids that SEI has it under; builds of other jobs are SEI's alone."""
    place.terraform()
    place.site.jenkins.job("app").build()
    assert place.site.run("once").returncode == 0
    assert place.site.run("once").returncode == 0
    (run,) = [r for r in place.site.sei.received if r["job_full_name"] == "tf/network"]
    plan = run["job_run"]["stages"][1]
    assert [
        {
            "pipeline": "tf/network",
            "pipeline_execution_id": run["execution_id"],
            "pipeline_stage_id": plan["id"],
            "workspace": "network",
        }
    ] == place.harness.received
    assert len(place.site.sei.received) == 2
    told = place.sink()
    assert (
        told["delivered"], told["queued"], told["rejected"], told["skipped"]
    ) == (1, 0, 0, 0)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "stages", "more", "why"),
    [
        ("freestyle", None, "", "no stage tree"),
        ("pipeline", (), "", "no stage tree"),
        ("pipeline", None, "", "no stage names terraform, tofu or terragrunt"),
        ("pipeline", None, 'iacm_stage = "Apply"', "no stage is called Apply"),
    ],
)
def test_a_build_without_a_stage_is_skipped_for_this_sink_and_counted(
    place: Place, kind: str, stages: Stages | None, more: str, why: str
) -> None:
    """SEI gets it all the same; `status` says how many, and why."""
    place.configure(f'[[rules]]\nmatch = "tf/**"\niacm_workspace = "network"\n{more}\n')
    job = place.site.jenkins.job("tf/network", kind=kind)
    for _ in range(2):
        job.build(stages=stages)
    assert place.site.run("once").returncode == 0
    assert place.harness.requests == []
    assert len(place.site.sei.received) == 2
    assert {why: 2} == place.sink()["skipped_because"]
    assert f"2 skipped ({why}: 2)" in place.site.run("status").stdout
    assert place.site.run("reconcile").returncode == 0
