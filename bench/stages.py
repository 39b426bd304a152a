"""Requests a build by the plugin that gives the stages: `python -m bench --only stages`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.backfill import BACKFILL, DAYS_MS, ours, script
from bench.figure import Figure, each
from bench.servers import Scene
from bench.size import Say, Size
from bench.started import before, simulated

JOBS, BUILDS = 20, 100
PLUGINS = {
    "wfapi": ({"wfapi": 238}, None),
    "Pipeline Graph View": ({"graph-view": 877}, 2.1),
    "Blue Ocean": ({"blue-ocean": 1}, 2.2),
}


def figures(_size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the rows. What is asked does not differ from run to run: one is enough."""
    total = JOBS * BUILDS
    note = f"a backfill of {total:,} builds in {JOBS} jobs, 25 steps in 6 stages each"
    for name, (plugins, limit) in PLUGINS.items():
        say(f"stages: {name}")
        step = DAYS_MS // (total + 1)
        scene = Scene(JOBS, BUILDS, before(DAYS_MS), step, large=True, plugins=plugins)
        with simulated(scene) as servers, tempfile.TemporaryDirectory() as directory:
            servers.counters()
            ours(servers, Path(directory) / "work.json", BACKFILL, JOBS)
            own = servers.counters()
            yield Figure(
                f"requests a build, stages from {name}",
                [own["requests"] / total], "", 2, limit, note=note,
            )  # fmt: skip
            if name == "wfapi":
                script(servers, 1)
                usual = servers.counters()["requests"] / BUILDS
                yield Figure("… usual script (python-jenkins)", [usual], "", 2)
                yield Figure("… times as many", each([usual], [own["requests"] / total]), "", 1)
