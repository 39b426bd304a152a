"""What a controller is asked while it is well, away, and starting, and while it is slow.

    python -m bench.request_limiter [SECONDS]

One service polls a simulated Jenkins of 200 jobs once a second for SECONDS (60) in each state; then
a client of four connections asks it while every answer takes 50 ms, 200 ms, and 50 ms again.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from pathlib import Path

from poller.http.client import Connection
from poller.jenkins.build_pages import newest_builds
from poller.jenkins.client import JenkinsClient
from tests.support.site import TOKEN, Site, simulated
from tests.support.starting_jenkins import STARTING, build_jobs, end
from tests.support.waiting import wait_for


def counted(site: Site, seconds: float) -> str:
    """Requests in so many seconds, and how many of them were the small one."""
    site.jenkins.requests.clear()
    time.sleep(seconds)
    requests = list(site.jenkins.requests)
    small = sum(request.query == "tree=mode" for request in requests)
    return f"{60 * len(requests) / seconds:.0f} a minute, {60 * small / seconds:.0f} of them small"


def states(seconds: float) -> None:
    """Well, away, starting."""
    with tempfile.TemporaryDirectory() as directory, simulated(Path(directory)) as site:
        build_jobs(site, 200)
        site.configure(site.controller(every="1s"), more="[reconcile]\nenabled = false\n")
        with site.start("run") as service:
            wait_for(lambda: len(site.sei.runs) == 200, 60)
            print("well:    ", counted(site, seconds))
            site.jenkins.fail(status=502)
            print("away:    ", counted(site, seconds))
            site.jenkins.clear_faults()
            site.jenkins.fail(status=503, body=STARTING.decode())
            print("starting:", counted(site, seconds))
            end(service)


async def slow(site: Site) -> None:
    """Requests at once, and answers a second, in each phase."""
    api = JenkinsClient("main", Connection(site.jenkins_server.url, 5_000, 4), "reader", TOKEN)
    for delay in (0.05, 0.2, 0.05):
        site.jenkins.clear_faults()
        site.jenkins.fail(status=None, delay=delay)
        began, limits = time.monotonic(), []
        for _ in range(10):
            await asyncio.gather(*(newest_builds(api, "job-000", 1) for _ in range(16)))
            limits.append(api.limiter.throttle.limit)
        rate = 160 / (time.monotonic() - began)
        steps = " ".join(str(limit) for limit, _ in itertools.groupby(limits))
        print(f"{delay * 1000:3.0f} ms an answer: {steps} at once, {rate:.0f} requests a second")
    await api.aclose()


if __name__ == "__main__":
    states(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
    with tempfile.TemporaryDirectory() as directory, simulated(Path(directory)) as site:
        build_jobs(site, 1)
        asyncio.run(slow(site))
