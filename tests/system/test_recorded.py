"""The program over the answers of a real Jenkins, served over HTTP as they were recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from poller.demo.server import Server
from tests.support.replay import completed_builds, replay_app
from tests.support.site import Site

EXPECTED = Path(__file__).parents[1] / "expected" / "recorded_job_runs.json"
"""Read through by hand, run by run, against the recordings and what each field is made of. `p-many`
has no stages in it, as its stage trees were not recorded."""


def test_every_recorded_build_becomes_the_expected_job_run(site: Site) -> None:
    """57 jobs, 99 completed builds: each once, each as it was read through; a second poll, nothing."""
    with Server(replay_app()) as recorded:
        site.configure(site.controller(url=recorded.url, instance_url="http://127.0.0.1:8099/"))
        result = site.run("once")
        assert result.returncode == 0, result.stdout
        runs = sorted(site.sei.received, key=_place)
        assert sorted(completed_builds()) == [_place(run) for run in runs]
        assert json.loads(EXPECTED.read_text()) == runs
        assert site.run("once").returncode == 0
        assert len(runs) == len(site.sei.received)


def _place(run: dict[str, Any]) -> tuple[str, int]:
    return run["job_full_name"], run["build_number"]
