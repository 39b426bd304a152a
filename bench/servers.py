"""The simulated Jenkins and SEI in a process of their own, with their counters on HTTP.

    python -m bench.servers JOBS BUILDS_PER_JOB DAYS_AGO

Prints one JSON line with the addresses, and serves until its stdin is closed.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from poller.demo.jenkins import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from poller.demo.town import GUID

FOLDERS = 300
HOUR_MS = 3_600_000


def fill(jenkins: Jenkins, jobs: int, builds: int, days_ago: int) -> None:
    """``jobs`` pipelines in 300 folders, 3 deep, each with ``builds`` completed builds."""
    now = time.time_ns() // 1_000_000 - days_ago * 24 * HOUR_MS
    for place in range(jobs):
        folder = place % FOLDERS
        job = jenkins.job(f"division-{folder % 10}/team-{folder}/service-{place}")
        for age in range(builds, 0, -1):
            job.build(timestamp=now - age * HOUR_MS)


class Counted:
    """An app whose counters are read, and set back, at ``/bench/counters``."""

    def __init__(self, jenkins: Jenkins) -> None:
        self._jenkins = jenkins

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] != "/bench/counters":
            await self._jenkins.app(scope, receive, send)
            return
        jenkins = self._jenkins
        body = json.dumps(
            {
                "requests": len(jenkins.requests),
                "builds_loaded": jenkins.builds_loaded,
                "flow_graphs_loaded": jenkins.flow_graphs_loaded,
            }
        ).encode()
        jenkins.requests.clear()
        jenkins.builds_loaded = jenkins.flow_graphs_loaded = 0
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve."""
    jobs, builds, days_ago = map(int, sys.argv[1:])
    jenkins, sei = Jenkins(), Sei(guids={GUID})
    fill(jenkins, jobs, builds, days_ago)
    with Server(Counted(jenkins)) as one, Server(sei.app) as other:
        print(json.dumps({"jenkins": one.url, "sei": other.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
