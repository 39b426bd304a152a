"""`once` from cold against the bare loop, in turn: `python -m bench --only once`.

So few builds that the start of the program, the look at the items, and the last deliveries count.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.backfill import BARE, DAYS_MS, bare, ours
from bench.figure import Figure, each
from bench.servers import Scene
from bench.size import Say, Size
from bench.started import before, simulated

JOBS, BUILDS = 40, 24
LATENCY_MS = 20

AT_ONCE = 4
"""Requests to Jenkins at once that `once` makes by default."""


def figures(size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the rows."""
    total = JOBS * BUILDS
    step = DAYS_MS // (total + 1)
    scene = Scene(JOBS, BUILDS, before(DAYS_MS), step, large=True, kept=True)
    once, loop = list[float](), list[float]()
    with simulated(scene) as servers, tempfile.TemporaryDirectory() as name:
        work = Path(name) / "work.json"
        ours(servers, work, ["once"], JOBS)  # makes the answers
        servers.ask("latency", ms=LATENCY_MS)
        for number in range(size.runs):
            once.append(total / ours(servers, work, ["once"], JOBS).wall)
            loop.append(total / bare(servers, work, AT_ONCE, JOBS).wall)
            say(f"once: {once[-1]:,.1f} builds a second, {BARE}: {loop[-1]:,.1f}; run {number + 1}")
    note = f"{total:,} builds in {JOBS} jobs; the start in the time"
    yield Figure(
        f"{LATENCY_MS} ms a request: `once` from cold, builds a second", once, "", 1, note=note
    )
    yield Figure(f"… {BARE}, builds a second", loop, "", 1)
    share = [100 * value for value in each(once, loop)]
    yield Figure("… of the bare loop", share, " %", 0, 85, at_most=False)
