"""Builds for tests of politeness, and a Jenkins that starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.forks import Command
from tests.support.site import Site

STARTING = (Path(__file__).parents[1] / "recordings/errors/starting_503.html").read_bytes()
"""Jenkins' own page, as recorded."""


def build_jobs(site: Site, jobs: int, builds: int = 1) -> None:
    """Jobs with builds."""
    for job in range(jobs):
        for _ in range(builds):
            site.jenkins.job(f"job-{job:03}").build()


def end(service: Command) -> list[dict[str, Any]]:
    """Stop the service; its log."""
    service.terminate()
    _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    return [json.loads(line[line.index("{") :]) for line in err.splitlines() if "{" in line]
