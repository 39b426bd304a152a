"""`make bench`: prints the table. Each row names its limit or its peer, measured in the same run."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench import large_log, log_archive, mapping, redaction
from poller.demo.story import CONFIG, ENVIRON
from poller.demo.town import GUID

RUNS = 5
POLLER = [sys.executable, "-m", "poller"]


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall clock and of its own CPU, and what Jenkins did for it."""

    wall: float
    cpu: float
    requests: int = 0
    builds_loaded: int = 0
    flow_graphs_loaded: int = 0


@contextlib.contextmanager
def servers(jobs: int, builds: int, days_ago: int = 0, *more: str) -> Iterator[dict[str, str]]:
    """The simulated servers in their own process, filled."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.servers", str(jobs), str(builds), str(days_ago), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def timed(command: list[str], jenkins: str | None = None, *, keep_counters: bool = False) -> Cost:
    """Run a command as its user would; ``keep_counters`` leaves what Jenkins was asked for later."""
    if jenkins:
        httpx.get(f"{jenkins}bench/counters", timeout=60)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **ENVIRON})
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    asked = jenkins and not keep_counters
    counters = httpx.get(f"{jenkins}bench/counters", timeout=60).json() if asked else {}
    return Cost(wall, cpu, **counters)


def once(directory: Path, urls: dict[str, str]) -> list[str]:
    """The command `once` on a config of these servers; its ledger lies in ``directory``."""
    path = directory / "poller.toml"
    path.write_text(CONFIG.format(guid=GUID, ledger=directory / "ledger.db", **urls))
    return [*POLLER, "--config", str(path), "once"]


def idle(jobs: int) -> list[Cost]:
    """Polls that find nothing new. The jobs' builds are older than `since`: the start is quick."""
    with servers(jobs, 1, days_ago=60) as urls, tempfile.TemporaryDirectory() as directory:
        command = once(Path(directory), urls)
        timed(command, urls["jenkins"])
        return [timed(command, urls["jenkins"]) for _ in range(RUNS)]


def backlog(jobs: int, builds: int) -> tuple[Cost, Cost]:
    """A history from nothing: this program, and the usual script."""
    with servers(jobs, builds) as urls, tempfile.TemporaryDirectory() as directory:
        ours = timed(once(Path(directory), urls), urls["jenkins"])
        script = [sys.executable, "-m", "bench.usual_script", urls["jenkins"], urls["sei"]]
        return ours, timed(script, urls["jenkins"])


def spread(values: list[float]) -> str:
    """Median, and from least to most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Measure and print."""
    table = Table("figure", "measured", "limit or peer")
    start = [timed([*POLLER, "--help"]) for _ in range(RUNS)]
    table.add_row("sei-poller --help, s", spread([c.wall for c in start]), "0.3")
    start_cpu = 0.0
    for jobs in (10, 1_000, 10_000):
        costs = idle(jobs)
        start_cpu = start_cpu or statistics.median(c.cpu for c in costs)
        table.add_row(f"idle poll of {jobs:,} jobs: requests", str(costs[-1].requests), "2")
        table.add_row("… builds loaded by Jenkins", str(costs[-1].builds_loaded), "0")
        table.add_row("… CPU of `once`, s", spread([c.cpu for c in costs]), "")
        beyond = [max(0.0, c.cpu - start_cpu) for c in costs]
        table.add_row("… CPU beyond that of 10 jobs, s", spread(beyond), "0.5")
    jobs, builds = 20, 50
    ours, script = backlog(jobs, builds)
    total = jobs * builds
    peer = "usual script (python-jenkins)"
    table.add_row(
        f"backlog of {total:,} builds: requests a build", f"{ours.requests / total:.2f}", "1.2"
    )
    table.add_row("… the same", f"{script.requests / total:.2f}", peer)
    table.add_row(
        "… builds a second", f"{total / ours.wall:.0f}", f"{total / script.wall:.0f} {peer}"
    )
    table.add_row("… times as fast", f"{script.wall / ours.wall:.1f}", peer)
    table.add_row(
        "… flow graphs read by Jenkins",
        str(ours.flow_graphs_loaded),
        f"{script.flow_graphs_loaded} {peer}",
    )
    table.add_row(
        "mapping a build of 40 stages, 400 steps, ms", spread(mapping.milliseconds()), "1"
    )
    for row in (*redaction.rows(), *log_archive.rows(), *large_log.rows()):
        table.add_row(*row)
    console = Console(width=110)
    console.print(
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    )
    console.print(table)


if __name__ == "__main__":
    main()
