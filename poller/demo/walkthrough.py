"""What `sei-poller demo` shows: the real program against a simulated Jenkins and SEI."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from poller.actions.once import once
from poller.cli.progress import ProgressBar
from poller.config.load import load
from poller.context import AppContext, open_context
from poller.core.log_output import configure
from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins
from poller.demo.sample_jobs import GUID, SampleJobs, build_sample_jobs
from poller.demo.sei import Sei
from poller.demo.server import Server
from poller.service.parts import Stop
from poller.service.run import run
from poller.service.scheduler import Scheduler
from poller.service.systemd import Systemd
from poller.service.watchdog import Watchdog
from poller.status.metrics import Metrics
from poller.status.stages import stages_state

LIVE_SECONDS = 4.0
OUTAGE_SECONDS = 4.0
CATCH_UP_SECONDS = 60.0
"""At most; mostly some three. A busy machine takes longer."""

CONFIG = """\
[[controllers]]
name = "demo"
url = "{jenkins}"
user = "reader"
token_env = "JENKINS_TOKEN"
instance_guid = "{guid}"
every = "1s"
since = "30d"

[sei]
base_url = "{sei}sei/api/v1"
api_key_env = "SEI_API_KEY"
request_rate = 500

[ledger]
path = "{ledger}"
"""

ENVIRON = {"JENKINS_TOKEN": "reader-token", "SEI_API_KEY": "demo-key"}

NOW_YOURS = "Your own Jenkins: sei-poller init, and then: sei-poller check"


def run_walkthrough(*, serve: bool) -> int:
    """Show the program at work; 0 when SEI has all that Jenkins has, each once, else 1."""
    configure(as_json=False)
    console = Console(highlight=False)
    jenkins, sei = Jenkins(), Sei(guids={GUID})
    jenkins.plugins = {"graph-view": 877}
    samples = build_sample_jobs(jenkins, _now())
    with (
        tempfile.TemporaryDirectory(prefix="sei-poller-demo-") as directory,
        Server(jenkins.app) as jenkins_server,
        Server(sei.app) as sei_server,
    ):
        path = Path(directory) / "poller.toml"
        path.write_text(
            CONFIG.format(
                jenkins=jenkins_server.url,
                sei=sei_server.url,
                guid=GUID,
                ledger=Path(directory) / "ledger.db",
            )
        )
        console.print(f"simulated Jenkins {jenkins_server.url}  user reader, token reader-token")
        console.print(f"simulated SEI     {sei_server.url}  key demo-key")
        asyncio.run(_run_parts(console, path, jenkins, sei, samples))
        even = _compare(console, jenkins, sei)
        if serve:
            _serve(console, path)
    console.print(NOW_YOURS)
    return 0 if even else 1


async def _run_parts(
    console: Console, path: Path, jenkins: Jenkins, sei: Sei, samples: SampleJobs
) -> None:
    await _first_poll(console, jenkins, path)
    async with open_context(load(path, ENVIRON), ENVIRON) as line:
        stop = Stop()
        service = run(line, Metrics(line.settings), Scheduler(), Watchdog(Systemd({})), stop)
        running = asyncio.create_task(service)
        await _live(console, jenkins, sei, samples)
        _say_stages(console, line)
        await _outage(console, sei, samples, line)
        await _finish_all(jenkins, sei, samples)
        stop.request()
        await running


async def _first_poll(console: Console, jenkins: Jenkins, path: Path) -> None:
    console.rule("1. first poll: one cycle, as `sei-poller once` does it", align="left")
    jenkins.requests.clear()
    bar = ProgressBar(sys.stdout)
    async with open_context(load(path, ENVIRON), ENVIRON, events=bar) as context:
        with bar:
            done = await once(context)
        (cycle,) = done.cycles
        delivered = done.passes["sei"].delivered
        asked = len(jenkins.requests)
        console.print(
            f"{cycle.jobs} jobs, {cycle.collected} builds collected in {asked} requests to Jenkins"
            f" ({asked / max(1, cycle.collected):.2f} a build), {delivered} accepted by SEI"
        )
        _say_stages(console, context)
        jenkins.requests.clear()
        loaded = jenkins.builds_loaded
        await once(context)
        console.print(
            f"again, with builds running and nothing new: {len(jenkins.requests)} requests,"
            f" {jenkins.builds_loaded - loaded} builds loaded by Jenkins, nothing sent"
        )


def _say_stages(console: Console, context: AppContext) -> None:
    state = stages_state(context.ledger.stage_sources.find("demo"))
    if state is not None:
        console.print(f"stages: {state.words}")


async def _live(console: Console, jenkins: Jenkins, sei: Sei, samples: SampleJobs) -> None:
    console.rule(
        "2. live: Jenkins has another plugin for stages now, builds finish out of order",
        align="left",
    )
    jenkins.plugins, jenkins.session = {"wfapi": 238}, "after a restart"
    before = len(sei.received)
    finished = await _work(samples, LIVE_SECONDS)
    await asyncio.sleep(1.5)
    console.print(
        f"{finished} builds finished in {LIVE_SECONDS:.0f} s,"
        f" {len(sei.received) - before} accepted by SEI so far,"
        f" {len(samples.running)} still running; {len(jenkins.requests)} requests to Jenkins"
    )


async def _outage(console: Console, sei: Sei, samples: SampleJobs, line: AppContext) -> None:
    console.rule("3. outage: SEI answers 503", align="left")
    before = len(sei.runs)
    sei.fail(status=503)
    finished = await _work(samples, OUTAGE_SECONDS)
    await asyncio.sleep(1.2)
    console.print(
        f"{finished} builds finished meanwhile, {line.ledger.outbox.count_queued()} queued,"
        " none lost"
    )
    sei.clear_faults()
    await _wait_until(lambda: not line.ledger.outbox.count_queued())
    console.print(f"SEI is back: {len(sei.runs) - before} runs caught up on, oldest first")


async def _finish_all(jenkins: Jenkins, sei: Sei, samples: SampleJobs) -> None:
    """Let every build finish and wait until its run is through."""
    while samples.running:
        samples.finish()
    await _wait_until(lambda: len(sei.runs) >= len(completed(jenkins)))


async def _wait_until(caught_up: Callable[[], bool]) -> None:
    """For ``CATCH_UP_SECONDS`` at most: what is not through then is shown as a difference."""
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        if caught_up():
            return
        await asyncio.sleep(0.1)


async def _work(samples: SampleJobs, seconds: float) -> int:
    """Start and finish builds for a while; how many finished."""
    finished = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        samples.start()
        if len(samples.running) > 6:
            samples.finish()
            finished += 1
        await asyncio.sleep(0.15)
    return finished


def completed(jenkins: Jenkins) -> list[Build]:
    """Every completed build of the simulated Jenkins."""
    return [
        build for job in jenkins.jobs.values() for build in job.builds.values() if build.completed
    ]


def _compare(console: Console, jenkins: Jenkins, sei: Sei) -> bool:
    console.rule("4. what Jenkins has against what SEI has", align="left")
    has: Counter[str] = Counter(build.job.full_name for build in completed(jenkins))
    got: Counter[str] = Counter(name for _, name, _ in sei.runs)
    sent: Counter[str] = Counter(str(run["job_full_name"]) for run in sei.received)
    table = Table("job", "Jenkins", "SEI", "sent twice", box=None, pad_edge=False)
    for name in sorted(has | got):
        table.add_row(name, str(has[name]), str(got[name]), str(sent[name] - got[name]))
    table.add_row(
        "all", str(has.total()), str(got.total()), str(sent.total() - got.total()), style="bold"
    )
    console.print(table)
    even = has == got == sent
    console.print("every build reached SEI, each once" if even else "SEI AND JENKINS DIFFER")
    return even


def _serve(console: Console, path: Path) -> None:
    console.print(
        "the servers stay up until Ctrl-C; in another shell:\n"
        f"  export {' '.join(f'{name}={value}' for name, value in ENVIRON.items())}\n"
        f"  sei-poller --config {path} status"
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopped")


def _now() -> int:
    return time.time_ns() // 1_000_000
