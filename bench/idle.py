"""Polls that find nothing new: what they ask, and what they cost: `python -m bench --only idle`."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.servers import Scene
from bench.size import Say, Size
from bench.started import POLLER, Cost, Simulated, before, cpu_of, measured, service, simulated

OLD_MS = 60 * 86_400_000
"""The jobs' builds are older than `since`, so that the first poll has nothing to collect."""

POLLS_A_RUN = 5
REQUESTS_A_POLL = 2


def figures(size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the rows."""
    start = [measured([*POLLER, "--help"]) for _ in range(size.runs)]
    yield Figure("the start of the program, `--help`: wall", [c.wall for c in start], " s", 2)
    yield Figure("… CPU", [cost.cpu for cost in start], " s", 2)
    few = None
    for jobs in sorted({min(10, size.polled), max(1, size.polled // 10), size.polled}):
        say(f"idle polls of {jobs:,} jobs")
        with (
            simulated(Scene(jobs, 1, before(OLD_MS))) as servers,
            tempfile.TemporaryDirectory() as directory,
        ):
            costs, asked = _once(servers, Path(directory), size.runs)
            name = f"idle poll of {jobs:,} jobs"
            requests = [one["requests"] for one in asked]
            loaded = [one["builds_loaded"] + one["flow_graphs_loaded"] for one in asked]
            yield Figure(f"{name}: requests", requests, "", 0, REQUESTS_A_POLL,
                         short=f"requests of an idle poll, {jobs:,} jobs")  # fmt: skip
            yield Figure("… builds and flow graphs that Jenkins loads", loaded, "", 0)
            limit = 0.3 if jobs == size.polled else None
            yield Figure("… CPU of `once`, all in", [cost.cpu for cost in costs], " s", 2)
            if few is None:
                few = statistics.median(cost.cpu for cost in costs)
            else:
                beyond = [max(0.0, cost.cpu - few) for cost in costs]
                yield Figure("… beyond that of the fewest jobs", beyond, " s", 2, limit)
            if jobs == size.polled:
                a_poll = _service(servers, Path(directory), size.runs)
                yield Figure("… CPU of a poll of `run`, all in", a_poll, " s", 3, 0.3,
                             short=f"CPU of an idle poll, {jobs:,} jobs")  # fmt: skip


def _once(
    servers: Simulated, directory: Path, runs: int
) -> tuple[list[Cost], list[dict[str, float]]]:
    """The command, once to know the jobs and then for each run."""
    command = [*POLLER, "--config", str(servers.config(directory)), "once"]
    measured(command)
    servers.counters()
    costs, asked = [], []
    for _ in range(runs):
        costs.append(measured(command))
        asked.append(servers.counters())
    return costs, asked


def _service(servers: Simulated, directory: Path, runs: int) -> list[float]:
    """CPU of the service a poll, in seconds, in which nothing else happens."""
    config = servers.config(directory, every="1s")
    found = []
    with service(config, directory / "log") as process:
        servers.counters()
        time.sleep(2)
        _polls(servers, 2)
        for _ in range(runs):
            before = cpu_of(process.pid)
            polls = _polls(servers, POLLS_A_RUN)
            found.append((cpu_of(process.pid) - before) / polls)
    return found


def _polls(servers: Simulated, number: int) -> float:
    """Wait for so many polls; how many there were."""
    asked = 0.0
    while asked < number * REQUESTS_A_POLL:
        time.sleep(1)
        asked += servers.counters()["requests"]
    return asked / REQUESTS_A_POLL
