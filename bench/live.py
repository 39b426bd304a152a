"""The service at work: `python -m bench --only run`.

`run` with a large ledger polls many jobs every 10 s while builds begin and end in them at random
times. How long each takes from its end to SEI's answer, what is asked of Jenkins for it, and how
much memory the service has as time goes by.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figure import Figure
from bench.known_builds import copy, kept
from bench.servers import LOAD_SECONDS, Scene
from bench.size import Say, Size
from bench.started import Failed, Simulated, cpu_of, resident, service, simulated

EVERY_SECONDS = 10
LATENCY_MS = 20
A_SECOND = 4.0
"""Builds that begin; a window has some hundreds then."""

SETTLE_SECONDS = 15
"""The first polls are those of a start. After them, a window more than there are runs is not
counted: the service and SQLite fill what they keep in memory."""

POLLS_OWN = ("/api/json?tree=jobs", "/computer/")
"""What an idle poll asks, too."""

FLAT_MIB = 5.0

Answered = tuple[float, float | None]


def figures(size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the rows."""
    known, jobs = size.known // size.polled * size.polled, size.polled
    say(f"a ledger of {known:,} builds")
    ledger, began, step = kept(known, jobs)
    builds = known // jobs
    scene = Scene(jobs, builds, began, step, rotated=builds - 1, large=True)
    with simulated(scene) as servers, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        copy(ledger, directory)
        servers.ask("latency", ms=LATENCY_MS)
        config = servers.config(directory, every=f"{EVERY_SECONDS}s")
        with service(config, directory / "log") as process:
            time.sleep(SETTLE_SECONDS)
            servers.ask("requests")
            first = servers.counters()
            if first["requests"] > 4 * SETTLE_SECONDS or not first["requests"]:
                raise Failed(f"{first['requests']:.0f} requests of a start: {_said(directory)}")
            seconds = size.runs * size.window
            say(f"`run` on {jobs:,} jobs for {size.window:.0f} and {seconds:.0f} s")
            servers.ask("load", rate=A_SECOND, seconds=size.window + seconds)
            time.sleep(size.window)
            began_at, cpu = time.time(), cpu_of(process.pid)
            memory = _watched(process.pid, seconds)
            cpu = cpu_of(process.pid) - cpu
            time.sleep(LOAD_SECONDS[1] + 2 * EVERY_SECONDS)
            peak = resident(process.pid)
        ended = _ended(servers)
        asked = servers.ask("requests")
        counters = servers.counters()
    if peak is None:
        raise Failed(f"`run` has ended: {_said(directory)}")
    assert isinstance(asked, list)
    yield from _latencies(ended, began_at, size)
    for_them = [target for target in asked if not str(target).startswith(POLLS_OWN)]
    total = len(ended)
    yield Figure("requests to Jenkins a build, trickle", [len(for_them) / total], "", 2, 1.2,
                 short="requests a build, trickle",
                 note=f"{total:,} builds; beside the 2 of each poll")  # fmt: skip
    yield Figure("… all in", [len(asked) / total], "", 2)
    for what in ("builds", "flow_graphs"):
        name = f"… {what.replace('_', ' ')} that Jenkins loads a build"
        yield Figure(name, [counters[f"{what}_loaded"] / total], "", 2)
    yield Figure("… CPU of `run` then, share of one core", [100 * cpu / seconds], " %", 1)
    yield Figure(f"peak memory of `run`, {known:,} builds in the ledger", [peak[1]], " MiB", 0, 120,
                 short=f"memory of run, {known:,} builds known")  # fmt: skip
    yield from _flat(memory, size)


def _watched(pid: int, seconds: float) -> list[tuple[float, float]]:
    """MiB resident, second by second."""
    found: list[tuple[float, float]] = []
    start = time.monotonic()
    while (now := time.monotonic() - start) < seconds:
        if (memory := resident(pid)) is None:
            break
        found.append((now, memory[0]))
        time.sleep(1)
    return found


def _ended(servers: Simulated) -> list[Answered]:
    found = servers.ask("ended")
    assert isinstance(found, list)
    if not found:
        raise Failed("no build has ended: the windows are too short")
    return [(ended, answered) for ended, answered in found]


def _latencies(ended: Sequence[Answered], began: float, size: Size) -> Iterator[Figure]:
    windows: list[list[float]] = [[] for _ in range(size.runs)]
    for end, answered in ended:
        if answered is not None and end >= began:
            place = min(size.runs - 1, int((end - began) / size.window))
            windows[place].append(answered - end)
    counted = sum(map(len, windows))
    full = [window for window in windows if len(window) > 1]
    note = f"{size.runs} windows of {size.window:.0f} s of one `run`, {counted:,} builds"
    name = f"from a build's end to SEI's answer, {size.polled:,} jobs, every = \"{EVERY_SECONDS}s\""
    half = [statistics.median(window) for window in full]
    limit = EVERY_SECONDS + 1
    yield Figure(f"{name}: p50", half, " s", 1, limit, note=note,
                 short="a build's end to SEI's answer, p50")  # fmt: skip
    most = [statistics.quantiles(window, n=100)[98] for window in full]
    yield Figure("… p99", most, " s", 1, limit, short="a build's end to SEI's answer, p99")
    lost = sum(answered is None for _, answered in ended)
    yield Figure("… builds that never came", [float(lost)], "", 0, 0)


def _flat(memory: Sequence[tuple[float, float]], size: Size) -> Iterator[Figure]:
    windows = [
        [mib for seconds, mib in memory if int(seconds / size.window) == place]
        for place in range(size.runs)
    ]
    yield Figure("… resident in each window", [max(w) for w in windows if w], " MiB", 1)
    half = memory[-1][0] / 2
    grown = max(m for s, m in memory if s > half) - max(m for s, m in memory if s <= half)
    note = "the most of the second half less the most of the first"
    yield Figure("… growth", [grown], " MiB", 1, FLAT_MIB, goal="flat", note=note)


def _said(directory: Path) -> str:
    return (directory / "log").read_text()[-300:].strip()
