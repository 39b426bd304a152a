"""`reconcile` over long histories: `python -m bench --only reconcile`.

`python -m bench.reconcile N` is the worst case: one job, and every build of it missing in the
ledger, which is the most that it can have to tell.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, each
from bench.known_builds import copy, kept
from bench.servers import Scene
from bench.size import Say, Size
from bench.started import POLLER, Cost, before, measured, simulated

LIMIT_MIB = 120
JOBS = 20
JENKINS_US = 193
"""What a Jenkins with a cold cache takes to list one build, measured: 580 ms for 3,000."""

MISSING = 1
"""The exit code where builds are missing."""


def figures(size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the rows."""
    builds = size.reconciled // JOBS
    total = builds * JOBS
    say(f"a ledger of {total:,} builds, and a Jenkins that has them all")
    ledger, began, step = kept(total, JOBS)
    scene = Scene(JOBS, builds, began, step, large=True, kept=True)
    ours: list[Cost] = []
    bare: list[Cost] = []
    answers = 0.0
    with simulated(scene) as servers, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        copy(ledger, directory)
        config = servers.config(directory, since="all")
        work = directory / "requests.json"
        command = [*POLLER, "--config", str(config), "reconcile"]
        other = [sys.executable, "-m", "bench.bare_stream", servers.urls["jenkins"], str(work)]
        for run in range(size.runs + 1):
            say(f"reconcile, run {run}")
            servers.ask("requests")
            servers.counters()
            one = measured(command)
            answers = servers.counters()["answered_bytes"] / 2**20
            work.write_text(json.dumps(servers.ask("requests")))
            two = measured(other)
            if run:  # the first made the answers
                ours.append(one)
                bare.append(two)
    name = f"reconcile of {total:,} builds in {JOBS} jobs"
    note = f"{answers:.1f} MiB of answers as they come, compressed"
    yield Figure(f"{name}: wall", [cost.wall for cost in ours], " s", 1, note=note)
    yield Figure("… reading the same answers alone", [cost.wall for cost in bare], " s", 1)
    times = each([cost.wall for cost in ours], [cost.wall for cost in bare])
    yield Figure("… times that", times, "", 1)
    a_build = [1e6 * cost.cpu / total for cost in ours]
    yield Figure("… CPU a build", a_build, " µs", 0, JENKINS_US,
                 goal=f"≤ Jenkins' own, {JENKINS_US} µs",
                 note="Jenkins 2.448 with a cold cache: 580 ms to list 3,000 builds")  # fmt: skip
    yield Figure("… peak memory", [cost.peak for cost in ours], " MiB", 0, LIMIT_MIB,
                 short=f"memory of reconcile of {total:,}")  # fmt: skip


def worst(builds: int) -> tuple[float, float]:
    """Peak memory in MiB, and seconds."""
    scene = Scene(1, builds, before(builds * 1000))
    with simulated(scene) as servers, tempfile.TemporaryDirectory() as directory:
        config = servers.config(Path(directory), since="all")
        command = [*POLLER, "--config", str(config), "reconcile"]
        cost = measured(command, codes=(MISSING,))
    return cost.peak, cost.wall


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    memory, seconds = worst(count)
    sys.stdout.write(
        f"reconcile of {count:,} builds: {memory:.0f} MiB (limit {LIMIT_MIB}), {seconds:.1f} s\n"
    )
