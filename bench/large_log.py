"""What reading a log of 2 GB costs: memory, time and requests.

    python -m bench.large_log [MEGABYTES]

A simulated Jenkins in a process of its own sends the log; another process reads it as the program
does, after a small one, and tells how much more memory the large one took.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from poller.demo.jenkins.consoles import LongLog
from poller.demo.jenkins.items import Jenkins
from poller.demo.server import Server
from poller.http.client import Connection
from poller.jenkins.build_pages import newest_builds
from poller.jenkins.client import JenkinsClient
from poller.mapping.extract import Extraction
from poller.mapping.redaction import Redactor
from poller.polling.extras.console_log import LogCollector

WIDTH = 200
LIMIT = 2**20


def serve(megabytes: int) -> None:
    """Serve a log of ten megabytes and one of so many, until stdin is closed."""
    jenkins = Jenkins()
    for size in (10, megabytes):
        build = jenkins.job("app").start()
        build.log = LongLog(size * 1_000_000 // WIDTH, WIDTH, lambda n: f"[INFO] line {n} of many")
        build.finish("FAILURE", 5)
    with Server(jenkins.app) as server:
        print(server.url, flush=True)
        sys.stdin.read()


async def read(url: str) -> None:
    """Read both logs, print for each a JSON line: bytes, seconds, CPU seconds, memory in KiB."""
    api = JenkinsClient("main", Connection(url, 120_000, 4), "reader", "reader-token")
    console = LogCollector("all", LIMIT, 120.0, Extraction())
    builds = (await newest_builds(api, "app", 2)).builds
    for build in sorted(builds, key=lambda build: build.number):
        start, cpu = time.perf_counter(), time.process_time()
        collected = await console.read(api, "app", build, Redactor())
        assert collected is not None
        log = collected.kept
        assert log.read_error is None, log.read_error
        took, used = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps([log.size, took, used, peak]))
    await api.aclose()


def rows(megabytes: int = 200) -> Iterator[tuple[str, str, str]]:
    """Figure, what was measured, limit or peer."""
    command = [sys.executable, "-m", "bench.large_log"]
    with subprocess.Popen(
        [*command, "serve", str(megabytes)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert server.stdin is not None
        url = server.stdout.readline().strip()
        told = subprocess.run(
            [*command, "read", url], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        server.stdin.close()
    small, large = (json.loads(line) for line in told.splitlines())
    size = large[0] / 1_000_000
    more = (large[3] - small[3]) / 1024
    yield f"console log of {size:,.0f} MB: memory beyond that of 10 MB, MiB", f"{more:.1f}", "1"
    yield "… read in s", f"{large[1]:.1f}", ""
    yield "… CPU, ms a MB", f"{large[2] / size * 1000:.1f}", ""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", megabytes]:
            serve(int(megabytes))
        case ["read", url]:
            asyncio.run(read(url))
        case arguments:
            for row in rows(*map(int, arguments)):
                print("  ".join(filter(None, row)))
