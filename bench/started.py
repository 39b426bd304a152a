"""What the bench starts: the simulated servers, and commands as their users would start them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.servers import Scene
from poller.demo.sample_jobs import GUID
from poller.demo.walkthrough import ENVIRON

POLLER = [sys.executable, "-m", "poller"]
CACHE = Path(".bench")
"""For what takes long to make: the ledger of a million builds, the venv of duck-jenkins."""

LONGEST = 1800.0
"""Seconds after which a command is ended, and has failed."""

LOOK_SECONDS = 0.1
MIB = 2**20
TICKS = os.sysconf("SC_CLK_TCK")

CONFIG = """\
[[controllers]]
name = "demo"
url = "{jenkins}"
user = "reader"
token_env = "JENKINS_TOKEN"
instance_guid = "{guid}"
every = "{every}"
since = "{since}"

[sei]
base_url = "{sei}sei/api/v1"
api_key_env = "SEI_API_KEY"
request_rate = 100000

[ledger]
path = "{ledger}"
"""
"""As in the README, but for SEI's rate: at the 6 a second of the platform's limit, the default, a
wait would be measured."""


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall clock and of its own CPU, MiB at its peak."""

    wall: float
    cpu: float
    peak: float
    memory: Sequence[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, MiB resident."""

    out: str = ""


def before(milliseconds: int) -> int:
    """So long ago, in epoch ms."""
    return time.time_ns() // 1_000_000 - milliseconds


class Failed(Exception):
    """A contender did not do its work."""


class Simulated:
    """The running servers."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.urls = urls
        self._http = httpx.Client(base_url=urls["jenkins"], timeout=600)

    def ask(self, what: str, **given: float) -> object:
        """What they tell of themselves, or do."""
        return self._http.get(f"/bench/{what}", params=given).raise_for_status().json()

    def counters(self) -> dict[str, float]:
        """Since they were last asked: requests, builds_loaded, flow_graphs_loaded, posts, cpu."""
        found = self.ask("counters")
        assert isinstance(found, dict)
        return found

    def config(self, directory: Path, *, every: str = "1s", since: str = "30d") -> Path:
        """A config of these servers; its ledger lies in ``directory``."""
        path = directory / "poller.toml"
        path.write_text(
            CONFIG.format(
                jenkins=self.urls["jenkins"], sei=self.urls["sei"], guid=GUID,
                ledger=directory / "ledger.db", every=every, since=since,
            )
        )  # fmt: skip
        return path

    def close(self) -> None:
        """Forget the connection."""
        self._http.close()


@contextlib.contextmanager
def serving(module: str, *arguments: str) -> Iterator[dict[str, str]]:
    """A module that serves in its own process until its stdin is closed, and the addresses that it
    prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
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


@contextlib.contextmanager
def simulated(scene: Scene) -> Iterator[Simulated]:
    """The simulated servers in their own process, filled."""
    with serving("bench.servers", json.dumps(dataclasses.asdict(scene))) as urls:
        servers = Simulated(urls)
        try:
            yield servers
        finally:
            servers.close()


def measured(command: Sequence[str], *, codes: Sequence[int] = (0,)) -> Cost:
    """Run a command to its end. Raises Failed for an exit code that is none of ``codes``."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **ENVIRON})
        memory: list[tuple[float, float]] = []
        peak = 0.0
        ended = os.pidfd_open(process.pid)
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                wall = time.perf_counter() - start
                if pid:
                    break
                if found := resident(process.pid):
                    memory.append((wall, found[0]))
                    peak = max(peak, found[1])
                if wall > LONGEST:
                    raise Failed(f"{command[2]}: not done in {LONGEST:.0f} s")
                select.select([ended], [], [], LOOK_SECONDS if wall > 2 else LOOK_SECONDS / 5)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            os.close(ended)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in codes:
            said = (err.read() or out.read()).strip()[-300:]
            raise Failed(f"{' '.join(command[1:4])}: exit code {process.returncode}: {said}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, peak, memory, out.read())


def resident(pid: int) -> tuple[float, float] | None:
    """MiB resident, now and at most, of a process; None when it has ended."""
    with contextlib.suppress(OSError, KeyError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        found = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024
    return None


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def service(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`run`, until the block ends."""
    command = [*POLLER, "--config", str(config), "run"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env={**os.environ, **ENVIRON}, stdout=subprocess.DEVNULL, stderr=file
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
