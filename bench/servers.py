"""The simulated Jenkins and SEI in a process of their own, with their counters on HTTP.

    python -m bench.servers JOBS BUILDS_PER_JOB DAYS_AGO [LATENCY_MS [large]]

Each answer comes so much later; builds are ``large`` with 6 stages and 25 steps. Prints one JSON line with the addresses, and serves until its stdin is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from poller.demo.jenkins import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from poller.demo.stages import Stage, Stages, Step
from poller.demo.town import GUID

FOLDERS = 300
HOUR_MS = 3_600_000


LARGE = tuple(
    Stage(
        name,
        tuple(
            Step(parameter_description=f"./gradlew {name}:{step} --info --stacktrace")
            for step in range(steps)
        ),
    )
    for name, steps in zip(
        ("checkout", "build", "unit-tests", "integration-tests", "publish", "deploy"),
        (2, 6, 6, 6, 3, 2),
        strict=True,
    )
)
"""6 stages, 25 steps."""


def fill(
    jenkins: Jenkins, jobs: int, builds: int, days_ago: int, stages: Stages | None = None
) -> None:
    """``jobs`` pipelines in 300 folders, 3 deep, each with ``builds`` completed builds."""
    now = time.time_ns() // 1_000_000 - days_ago * 24 * HOUR_MS
    for place in range(jobs):
        folder = place % FOLDERS
        job = jenkins.job(f"division-{folder % 10}/team-{folder}/service-{place}")
        for age in range(builds, 0, -1):
            job.build(timestamp=now - age * HOUR_MS, stages=stages)


class Counted:
    """An app whose counters are read, and set back, at ``/bench/counters``; what was asked is at
    ``/bench/requests``, what SEI took at ``/bench/sizes``. Answers come ``latency`` seconds late."""

    def __init__(self, app: Any, jenkins: Jenkins, sei: Sei, latency: float) -> None:
        self._app = app
        self._jenkins = jenkins
        self._sei = sei
        self._latency = latency

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path == "/bench/requests":
            await _send_json(send, [f"{r.path}?{r.query}" for r in self._jenkins.requests])
        elif path == "/bench/sizes":
            await _send_json(send, [len(json.dumps(run)) for run in self._sei.received])
            self._sei.received.clear()
            self._sei.runs.clear()
        elif path == "/bench/counters":
            await self._counters(send)
        else:
            if self._latency:
                await asyncio.sleep(self._latency)
            await self._app(scope, receive, send)

    async def _counters(self, send: Any) -> None:
        jenkins = self._jenkins
        await _send_json(
            send,
            {
                "requests": len(jenkins.requests),
                "builds_loaded": jenkins.builds_loaded,
                "flow_graphs_loaded": jenkins.flow_graphs_loaded,
            },
        )
        jenkins.requests.clear()
        jenkins.builds_loaded = jenkins.flow_graphs_loaded = 0


async def _send_json(send: Any, value: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


def main() -> None:
    """Serve."""
    jobs, builds, days_ago = map(int, sys.argv[1:4])
    latency = int(sys.argv[4]) / 1000 if len(sys.argv) > 4 else 0.0
    jenkins, sei = Jenkins(), Sei(guids={GUID})
    fill(jenkins, jobs, builds, days_ago, LARGE if "large" in sys.argv else None)
    with (
        Server(Counted(jenkins.app, jenkins, sei, latency)) as one,
        Server(Counted(sei.app, jenkins, sei, latency)) as other,
    ):
        print(json.dumps({"jenkins": one.url, "sei": other.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
