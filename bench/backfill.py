"""A backfill against its limit and against the usual script: `python -m bench.backfill [JOBS BUILDS]`.

Every contender is started as its user would start it, on the same simulated servers in a process of
their own, whose answers come 20 ms late, and at once.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from bench.__main__ import POLLER, Cost, servers, timed
from poller.demo.story import CONFIG
from poller.demo.town import GUID

LATENCIES = (20, 0)
RUNS = 3
SCRIPT_SHARE = 10
"""The script is given a tenth of the jobs: it is slow, and goes job by job."""


def main(jobs: int, builds: int) -> None:
    """Measure and print, a line a contender."""
    for latency in LATENCIES:
        with servers(jobs, builds, 0, str(latency), "large") as urls:
            ours = [_ours(urls) for _ in range(RUNS)]
            work = _asked(urls)
            bare = [_bare(urls, work) for _ in range(RUNS)]
        with servers(max(1, jobs // SCRIPT_SHARE), builds, 0, str(latency), "large") as urls:
            script = [timed([sys.executable, "-m", "bench.usual_script", *urls.values()])]
        total = jobs * builds
        _line(f"{latency} ms a request, {total:,} builds: backfill", total, ours)
        _line("… the bare loop", total, bare)
        _line("… the usual script", total // SCRIPT_SHARE, script)
        share = _rate(total, ours) / _rate(total, bare)
        times = _rate(total, ours) / _rate(total // SCRIPT_SHARE, script)
        print(
            f"    {share:.0%} of the bare loop (goal 80 %), {times:.1f} times the script (goal 10)"
        )
        print(f"    {len(work['requests']) / total:.2f} requests a build (goal 1.2)")


def _ours(urls: dict[str, str]) -> Cost:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "poller.toml"
        text = CONFIG.format(guid=GUID, ledger=Path(directory) / "ledger.db", **urls)
        path.write_text(text.replace("request_rate = 500", "request_rate = 100000"))
        httpx.get(f"{urls['jenkins']}bench/sizes", timeout=600)
        command = [*POLLER, "--config", str(path), "backfill", "--since", "all"]
        return timed(command, urls["jenkins"], keep_counters=True)


def _asked(urls: dict[str, str]) -> dict[str, list[object]]:
    return {
        "requests": httpx.get(f"{urls['jenkins']}bench/requests", timeout=600).json(),
        "sizes": httpx.get(f"{urls['jenkins']}bench/sizes", timeout=600).json(),
    }


def _bare(urls: dict[str, str], work: dict[str, list[object]]) -> Cost:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(work, file)
        file.flush()
        httpx.get(f"{urls['jenkins']}bench/sizes", timeout=600)
        command = [sys.executable, "-m", "bench.bare_loop", urls["jenkins"], urls["sei"], file.name]
        return timed(command)


def _rate(builds: int, costs: Sequence[Cost]) -> float:
    return builds / statistics.median(cost.wall for cost in costs)


def _line(what: str, builds: int, costs: Sequence[Cost]) -> None:
    walls = [builds / cost.wall for cost in costs]
    cpu = statistics.median(cost.cpu for cost in costs) / builds * 1000
    print(
        f"{what}: {statistics.median(walls):.0f} builds a second"
        f" ({min(walls):.0f} to {max(walls):.0f}), {cpu:.2f} ms CPU a build"
    )


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [50, 40]
    os.environ.pop("SEI_POLLER_CONFIG", None)
    main(*sizes)
