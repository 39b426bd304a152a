"""A fleet in one process: `python -m bench.load [CONTROLLERS JOBS BUILDS_PER_SECOND SECONDS]`.

`run`, started as its user would start it, on so many simulated controllers in another process, each
with so many jobs in folders and polled as often as the default says. First nothing is built, then
so many builds a second end somewhere: how late each comes to SEI, and what it costs.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from bench.load_servers import guid
from bench.started import serving

EVERY = 60.0
"""Seconds between two polls of a controller: the default."""

FULL = 0.7
"""Share of a core that is planned with: the rest is for a poll that finds much, and for a page."""

SAMPLE_SECONDS = 1.0
HEALTH, PAGES = 5, 30
"""How many samples apart the health, and the page and the metrics, are looked at."""

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

CONTROLLER = """\
[[controllers]]
name = "c-{place}"
url = "{url}c-{place}/"
user = "reader"
token_env = "JENKINS_TOKEN"
instance_guid = "{guid}"
"""

REST = """\
[sei]
base_url = "{url}sei/api/v1"
api_key_env = "SEI_API_KEY"
request_rate = 500
max_connections = 32

[ledger]
path = "{ledger}"

[status]
listen = "{port}"
"""


@contextlib.contextmanager
def servers(controllers: int, jobs: int) -> Iterator[str]:
    """The fleet and SEI, filled."""
    with serving("bench.load_servers", str(controllers), str(jobs)) as urls:
        yield urls["url"]


class Process:
    """`run` and what it takes, sampled once a second by a thread."""

    def __init__(self, config: Path, url: str) -> None:
        self.url = url
        self.directory = config.parent
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(self.directory / "notify"))
        self._told.settimeout(120)
        environ = {
            **os.environ,
            "JENKINS_TOKEN": "reader-token",
            "SEI_API_KEY": "demo-key",
            "NOTIFY_SOCKET": str(self.directory / "notify"),
        }
        command = [sys.executable, "-m", "poller", "--config", str(config), "run"]
        self.began = time.monotonic()
        with (self.directory / "journal").open("w") as journal:
            self._process = subprocess.Popen(command, env=environ, stderr=journal)
        self.told = 0
        while b"READY=1" not in self._told.recv(65_536):
            pass
        self.ready = time.monotonic() - self.began
        threading.Thread(target=self._listen, daemon=True).start()
        self.samples: list[Sample] = []
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def polls(self) -> int:
        """How many there were."""
        return (self.directory / "journal").read_text().count('"poll_finished"')

    def cpu(self) -> float:
        """Seconds of user and system time so far."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(text[11]) + int(text[12])) / TICKS

    def close(self) -> None:
        """SIGTERM, unless it has ended."""
        self._ended.set()
        self._sampler.join()
        self._process.terminate()
        code = self._process.wait(90)
        self._told.close()
        if code:
            raise SystemExit(f"run ended with {code}")

    def take(self) -> list[Sample]:
        """The samples since the last time."""
        taken, self.samples = self.samples, []
        return taken

    def _listen(self) -> None:
        """As systemd does: nobody waits for it to read."""
        with contextlib.suppress(OSError):
            while True:
                self._told.settimeout(None)
                self.told += len(self._told.recv(65_536))

    def _sample(self) -> None:
        proc = Path(f"/proc/{self._process.pid}")
        paths = {
            "live": ("/livez", 1),
            "health": ("/healthz", HEALTH),
            "metrics": ("/metrics", PAGES),
            "page": ("/", PAGES),
        }
        with httpx.Client(base_url=self.url, timeout=60) as http:
            for turn in itertools.count():
                if self._ended.wait(SAMPLE_SECONDS):
                    return
                sample = Sample(
                    cpu=self.cpu(),
                    at=time.monotonic(),
                    memory=int((proc / "statm").read_text().split()[1]) * PAGE,
                    files=len(list((proc / "fd").iterdir())),
                )
                for name, (path, apart) in paths.items():
                    if turn % apart == 0:
                        sample.took[name] = timed(http, path)
                self.samples.append(sample)


@dataclass
class Sample:
    """`run` at one moment: CPU seconds so far, resident bytes, open files, seconds of answers."""

    cpu: float
    at: float
    memory: int
    files: int
    took: dict[str, float] = field(default_factory=dict)


def timed(http: httpx.Client, path: str) -> float:
    """Seconds until the answer."""
    began = time.perf_counter()
    with contextlib.suppress(httpx.TransportError):  # not yet listening
        http.get(path)
    return time.perf_counter() - began


def write_config(directory: Path, controllers: int, url: str) -> tuple[Path, str]:
    """The config, and where the status page will be."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tables = [CONTROLLER.format(place=n, url=url, guid=guid(n)) for n in range(controllers)]
    path = directory / "poller.toml"
    ledger = directory / "ledger.db"
    path.write_text("\n".join([*tables, REST.format(url=url, ledger=ledger, port=port)]))
    return path, f"http://127.0.0.1:{port}"


@dataclass
class Phase:
    """What happened in some seconds."""

    seconds: float
    cpu: float
    polls: int
    samples: list[Sample]
    servers: dict[str, Any]
    servers_cpu: float

    @property
    def share(self) -> float:
        """Of one core."""
        return self.cpu / self.seconds

    def took(self, what: str) -> list[float]:
        """Milliseconds of each answer."""
        return sorted(1000 * s.took[what] for s in self.samples if what in s.took)


def phase(process: Process, url: str, seconds: float) -> Phase:
    """Let it work for so long."""
    process.take()
    before, polls = counters(url), process.polls()
    cpu, began = process.cpu(), time.monotonic()
    time.sleep(seconds)
    cpu, passed = process.cpu() - cpu, time.monotonic() - began
    after = counters(url)
    polls = process.polls() - polls
    return Phase(passed, cpu, polls, process.take(), after, (after["cpu"] - before["cpu"]) / passed)


def counters(url: str, command: str = "counters") -> dict[str, Any]:
    """What the servers have counted since the last time."""
    found: dict[str, Any] = httpx.post(f"{url}bench/{command}", timeout=60).json()
    return found


def wait_for_polls(process: Process) -> float:
    """Until every controller has been polled; seconds since the start."""
    with httpx.Client(base_url=process.url, timeout=60) as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if http.get("/healthz").status_code == 200:
                    return time.monotonic() - process.began
            time.sleep(0.1)


def ended(url: str) -> tuple[int, int]:
    """Every build ends and no other begins. How many came twice, and how many never."""
    counters(url, "end")
    deadline = time.monotonic() + 3 * EVERY
    while True:
        time.sleep(1)
        now = counters(url)
        missing = now["running"] + now["waiting"]
        if not missing or time.monotonic() > deadline:
            return now["twice"], missing


def at(values: Sequence[float], share: float) -> float:
    """The value that so many of them are not above."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Median, 99th percentile and most."""
    found = (statistics.median(values or [0]), at(values, 0.99), max(values, default=0))
    return " / ".join(format(value, form) for value in found)


def main(controllers: int, jobs: int, rate: float, seconds: float) -> None:
    """Measure and print."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(servers(controllers, jobs))
        name = stack.enter_context(tempfile.TemporaryDirectory())
        load = os.getloadavg()[0]
        config, page = write_config(Path(name), controllers, url)
        process = stack.enter_context(contextlib.closing(Process(config, page)))
        first, start_cpu = wait_for_polls(process), process.cpu()
        start = process.take()
        idle = phase(process, url, EVERY)
        counters(url, f"rate?{rate}")
        time.sleep(EVERY)
        busy = phase(process, url, seconds)
        middle = os.getloadavg()[0]
        begun = busy.servers["begun"]
        twice, lost = ended(url)
        process.close()
        lines = (Path(name) / "journal").read_text().splitlines()
        ledger = sum(path.stat().st_size for path in Path(name).glob("ledger.db*"))
    table = Table("figure", "measured", "limit")
    lags: list[float] = busy.servers["lags"]
    poll = idle.cpu / max(1, idle.polls)
    build = (busy.cpu - busy.polls * poll) / max(1, len(lags))
    cost = poll / EVERY + rate / controllers * build
    files = max(s.files for s in (*start, *idle.samples, *busy.samples))
    memory = [
        max((s.memory for s in part), default=0) / 2**20
        for part in (start, idle.samples, busy.samples)
    ]
    tail = busy.samples[-1].memory / 2**20
    rows: list[tuple[str, str, str]] = [
        ("until READY=1, s", f"{process.ready:.1f}", ""),
        ("until every controller was polled, s", f"{first:.1f}", ""),
        ("CPU until then, s", f"{start_cpu:.1f}", ""),
        ("lag of a build, s: median / 99 % / most", spread(lags), f"99 %: {EVERY:.0f}"),
        ("builds: begun, came twice, not come within 3 intervals", f"{begun:,}, {twice}, {lost}", "0, 0"),
        ("idle: CPU, % of a core", f"{100 * idle.share:.1f}", ""),
        ("… a poll, ms", f"{1000 * poll:.1f}", ""),
        ("… requests a second", f"{idle.servers['asked'] / idle.seconds:.1f}", ""),
        (f"{rate:g} builds a second ({len(lags) / busy.seconds:.1f} came): CPU, % of a core", f"{100 * busy.share:.1f}", str(100 * FULL)),
        ("… a build, ms beyond the polls", f"{1000 * build:.1f}", ""),
        ("… requests to Jenkins a second", f"{busy.servers['asked'] / busy.seconds:.1f}", ""),
        ("… /livez, the loop's lag, ms: median / 99 % / most", spread(busy.took("live")), ""),
        ("… /healthz, ms", spread(busy.took("health")), ""),
        ("… /metrics, ms", spread(busy.took("metrics")), ""),
        ("… /, ms", spread(busy.took("page")), ""),
        ("resident memory, MiB: most at start, idle, busy; end", f"{memory[0]:.0f}, {memory[1]:.0f}, {memory[2]:.0f}; {tail:.0f}", ""),
        ("open files, most", str(files), ""),
        ("ledger, MiB", f"{ledger / 2**20:.1f}", ""),
        ("journal, lines a minute", f"{len(lines) / ((time.monotonic() - process.began) / 60):.0f}", ""),
        ("the servers' CPU, % of a core: idle, busy", f"{100 * idle.servers_cpu:.0f}, {100 * busy.servers_cpu:.0f}", "100"),
        ("the servers' builds began late by at most, s", f"{busy.servers['late']:.2f}", ""),
        (f"controllers that {FULL:.0%} of a core serve at {rate / controllers:g} builds a second each", f"{FULL / cost:.0f}", ""),
    ]  # fmt: skip
    for row in rows:
        table.add_row(*row)
    console = Console(width=110)
    console.print(
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()},"
        f" load average {load:.1f} before and {middle:.1f} at the end, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC"
    )
    console.print(
        f"{controllers} controllers, {jobs} jobs each, {rate:g} builds a second, {seconds:g} s"
    )
    console.print(table)
    warnings = [
        line for line in lines if not re.search(r"poll_finished|delivered|status_page", line)
    ]
    console.print(*[line[:300] for line in warnings[:10]], sep="\n", markup=False)


if __name__ == "__main__":
    numbers = [float(argument) for argument in sys.argv[1:]]
    defaults = [200, 500, 20, 60]
    controllers, jobs, rate, seconds = numbers + defaults[len(numbers) :]
    main(int(controllers), int(jobs), rate, seconds)
