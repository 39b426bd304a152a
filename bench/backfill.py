"""A backfill from nothing, and those it is measured against, in turn: `python -m bench --only backfill`.

Every contender is started as its user would start it, the start in its time, on the same simulated
servers, which have made each answer once before. The usual script and duck-jenkins are slow: they
get the first jobs alone, and what is compared are builds a second. As their start would weigh more
for so few builds, it is measured and taken off.
"""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.figure import Figure, each
from bench.servers import Scene, job_name
from bench.size import Say, Size
from bench.started import CACHE, POLLER, Cost, Failed, Simulated, before, measured, simulated

LATENCIES = (20, 0)
DAYS_MS = 30 * 86_400_000
DUCK = "duck-jenkins==0.0.25"
AT_ONCE = 2
"""Requests to Jenkins at once that a backfill makes by default."""

BARE, SCRIPT, DUCKS = "bare httpx loop", "usual script (python-jenkins)", "duck-jenkins 0.0.25"
OURS = "backfill"
BACKFILL = ("backfill", "--since", "all")
STARTS = 3


@dataclass
class Run:
    """One contender's one run: what it took, and what the servers did for it."""

    cost: Cost
    servers: dict[str, float]


@dataclass
class Contender:
    """``builds`` are what one run of ``start`` is given, in ``jobs``; ``few`` says that these are
    not all, and ``started`` is then what a run of no job takes. ``failed``: why it has no runs."""

    name: str
    builds: int
    jobs: int
    start: Callable[[int], Cost]
    few: bool = False
    started: float = 0.0
    runs: dict[int, list[Run]] = field(default_factory=dict)
    failed: str = ""

    def rates(self, latency: int) -> list[float]:
        """Builds a second."""
        return [self.builds / self._seconds(run) for run in self.runs.get(latency, ())]

    def _seconds(self, run: Run) -> float:
        """Never less than half: of a run that is little more than a start, its noise would be
        measured."""
        return max(run.cost.wall - self.started, run.cost.wall / 2)

    def a_build(self, latency: int, of: Callable[[Run], float]) -> list[float]:
        """Something of a run, a build."""
        return [of(run) / self.builds for run in self.runs.get(latency, ())]


def figures(size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the rows."""
    builds = size.builds // size.jobs
    step = DAYS_MS // (size.jobs * builds)
    scene = Scene(size.jobs, builds, before(DAYS_MS), step, large=True, kept=True)
    with simulated(scene) as servers, tempfile.TemporaryDirectory() as name:
        work = Path(name) / "work.json"
        few = max(1, round(size.jobs * size.share))
        total, duck = size.jobs * builds, functools.partial(_duck, servers, builds)
        own, loop, *others = contenders = [
            Contender(OURS, total, size.jobs, functools.partial(ours, servers, work, BACKFILL)),
            Contender(BARE, total, size.jobs, functools.partial(bare, servers, work, AT_ONCE)),
            Contender(SCRIPT, few * builds, few, functools.partial(script, servers), few=True),
            Contender(DUCKS, few * builds, few, duck, few=True),
        ]
        say(f"{own.builds:,} builds in {size.jobs} jobs: each answer is made once")
        for one in (own, *others):
            _warm(one, servers)
        if own.failed:
            raise Failed(own.failed)
        for latency in LATENCIES:
            servers.ask("latency", ms=latency)
            for number in range(size.runs):
                for one in contenders:
                    _run(one, servers, latency)
                    rates = one.rates(latency)
                    done = f"{rates[-1]:,.1f} builds a second" if rates else "nothing"
                    say(f"{latency} ms, run {number + 1}: {one.name}: {one.failed or done}")
            servers.ask("latency", ms=0)
    for latency in LATENCIES:
        yield from _speeds(contenders, latency)
    yield from _costs(own, loop, others)


def _warm(one: Contender, servers: Simulated) -> None:
    """A run that makes the answers, and is not counted."""
    _tried(one, one.jobs)
    if one.few:
        starts = [cost.wall for _ in range(STARTS) if (cost := _tried(one, 0)) is not None]
        one.started = statistics.median(starts or [0.0])
    servers.counters()


def _run(one: Contender, servers: Simulated, latency: int) -> None:
    if (cost := _tried(one, one.jobs)) is not None:
        one.runs.setdefault(latency, []).append(Run(cost, servers.counters()))


def _tried(one: Contender, jobs: int) -> Cost | None:
    """What a run takes; None for a contender that fails, once and for all."""
    if one.failed:
        return None
    try:
        return one.start(jobs)
    except (Failed, OSError, subprocess.SubprocessError) as error:
        one.failed = str(error)
        return None


def ours(servers: Simulated, work: Path, command: Sequence[str], _jobs: int) -> Cost:
    """A command of ours on a new ledger; what it asked and sent is in ``work`` then."""
    with tempfile.TemporaryDirectory() as directory:
        config = servers.config(Path(directory), since="all")
        servers.ask("requests")
        servers.ask("sizes")
        cost = measured([*POLLER, "--config", str(config), *command])
        sizes = servers.ask("sizes")
        work.write_text(json.dumps({"requests": servers.ask("requests"), "sizes": sizes}))
        return cost


def bare(servers: Simulated, work: Path, at_once: int, _jobs: int) -> Cost:
    """The bare loop on what is in ``work``, with so many requests to Jenkins at once."""
    urls = servers.urls
    command = [
        sys.executable, "-m", "bench.bare_loop",
        urls["jenkins"], urls["sei"], str(work), str(at_once),
    ]  # fmt: skip
    return measured(command)


def script(servers: Simulated, jobs: int) -> Cost:
    """The usual script, on so many jobs."""
    urls = servers.urls
    command = [sys.executable, "-m", "bench.usual_script", urls["jenkins"], urls["sei"], str(jobs)]
    return measured(command)


def _duck(servers: Simulated, builds: int, jobs: int) -> Cost:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "jobs.json"
        file.write_text(json.dumps([(job_name(place), builds) for place in range(jobs)]))
        script = Path(__file__).with_name("duck.py")
        cost = measured([_venv(), str(script), servers.urls["domain"], directory, str(file)])
        if int(cost.out) != builds * jobs:
            raise Failed(f"duck-jenkins has {cost.out.strip()} builds in its database")
        return cost


def _venv() -> str:
    """The Python that has duck-jenkins; made where it is not there yet."""
    venv = CACHE / "duck-venv"
    python = venv / "bin" / "python"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", DUCK]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise Failed(f"{DUCK} is not to be had: {done.stderr.strip().splitlines()[-1]}")
        (venv / "ready").touch()
    return str(python)


def _speeds(contenders: Sequence[Contender], latency: int) -> Iterator[Figure]:
    """Builds a second, and how many times those of the others."""
    ours = contenders[0]
    compare = f"{latency} ms a request: builds a second"
    for one in contenders:
        given = f"{one.builds:,} builds in {one.jobs} jobs"
        if one.few:
            given += f"; its start, {one.started:.1f} s, taken off"
        if one.name == DUCKS:
            given += "; over TLS, which it insists on; without stages and delivery"
        first = f"{latency} ms a request: {one.name}" if one is ours else f"… {one.name}"
        yield Figure(
            f"{first}, builds a second", one.rates(latency), "", 1, note=given,
            compare=compare, contender=one.name, failed=one.failed,
        )  # fmt: skip
        if one is ours or one.failed:
            continue
        times = each(ours.rates(latency), one.rates(latency))
        if one.name == BARE:
            limit = 80 if latency else 100
            share = [100 * value for value in times]
            yield Figure("… of the bare loop", share, " %", 0, limit, at_most=False)
        else:
            limit = 10 if latency else 1
            name = f"… times {one.name}"
            yield Figure(name, times, "", 1, limit, at_most=False)


def _costs(ours: Contender, bare: Contender, others: Sequence[Contender]) -> Iterator[Figure]:
    """CPU, requests, what Jenkins loads, memory; and what the servers themselves cost."""
    for latency in LATENCIES:
        cpu = ours.a_build(latency, lambda run: 1000 * run.cost.cpu)
        other = bare.a_build(latency, lambda run: 1000 * run.cost.cpu)
        name = f"CPU a settled build, all in, {latency} ms a request"
        yield Figure(name, cpu, " ms", 2, 2.5, short=f"CPU a build, {latency} ms a request")
        yield Figure("… the bare loop's", other, " ms", 2)
    worst = LATENCIES[0]
    requests = ours.a_build(worst, lambda run: run.servers["requests"])
    yield Figure("requests to Jenkins a build, backlog", requests, "", 2, 1.2,
                 short="requests a build, backlog")  # fmt: skip
    for one in others:
        if not one.failed:
            many = one.a_build(worst, lambda run: run.servers["requests"])
            yield Figure(f"… {one.name}", many, "", 2)
    for kind in ("builds", "flow graphs"):
        key = f"{kind.replace(' ', '_')}_loaded"
        for one in (ours, *others):
            if one.failed:
                continue
            loaded = [run.servers[key] / one.builds for run in one.runs.get(worst, [])]
            first = f"{kind} that Jenkins loads a build, were all cold" if one is ours else "…"
            yield Figure(f"{first}: {one.name}", loaded, "", 2)
    yield from _memory(ours, worst)
    for one in (ours, bare):
        runs = one.runs.get(0, [])
        asked = [
            1000 * r.servers["cpu"] / (r.servers["requests"] + r.servers["posts"]) for r in runs
        ]
        yield Figure(f"the simulated servers' CPU a request, 0 ms, {one.name}", asked, " ms", 3)
        busy = [100 * run.servers["cpu"] / run.cost.wall for run in runs]
        yield Figure("… share of the time that they were busy", busy, " %", 0, note="of one core")


def _memory(ours: Contender, latency: int) -> Iterator[Figure]:
    costs = [run.cost for run in ours.runs.get(latency, [])]
    name = "peak memory of the backfill"
    yield Figure(name, [c.peak for c in costs], " MiB", 0, 120, short=name)
    grown = [growth(cost.memory) for cost in costs]
    yield Figure("… more at the most in its second half than in its first", grown, " MiB", 1)


def growth(memory: Sequence[tuple[float, float]]) -> float:
    """MiB by which the most of the second half of the time is above that of the first."""
    half = memory[-1][0] / 2
    first = max(mib for seconds, mib in memory if seconds <= half)
    return max(mib for seconds, mib in memory if seconds > half) - first
