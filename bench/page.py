"""The status page over a ledger of a million builds: `python -m bench.page`.

The service runs on it in a process of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench.known_builds import write
from bench.servers import Scene
from bench.started import before, simulated
from poller.demo.sample_jobs import GUID
from poller.demo.walkthrough import CONFIG, ENVIRON

BUILDS, JOBS, DAYS = 1_000_000, 10_000, 90
SAMPLES, POLLS, ROUNDS = 60, 5, 4
DAY_MS = 86_400_000


@contextlib.contextmanager
def service(directory: Path, urls: Mapping[str, str], ledger: Path) -> Iterator[str]:
    """`run` on the ledger, with Jenkins' 10,000 jobs polled every 2 s."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = directory / "poller.toml"
    config = CONFIG.format(guid=GUID, ledger=ledger, **urls).replace('every = "1s"', 'every = "2s"')
    path.write_text(f'{config}\n[status]\nlisten = "{port}"\n')
    command = [sys.executable, "-m", "poller", "--config", str(path), "run"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **ENVIRON}, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{url}/healthz").status_code == 200:
                        break
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def milliseconds(http: httpx.Client, path: str) -> list[float]:
    """How long answers took, the first left out."""
    http.get(path).raise_for_status()
    took = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        http.get(path).raise_for_status()
        took.append(1000 * (time.perf_counter() - start))
    return took


def poll_seconds(http: httpx.Client) -> float:
    """The mean duration of the next polls."""

    def counted() -> tuple[float, float]:
        text = http.get("/metrics").text
        (total,) = [
            x for x in text.splitlines() if x.startswith("sei_poller_poll_duration_seconds_sum")
        ]
        (count,) = [
            x for x in text.splitlines() if x.startswith("sei_poller_poll_duration_seconds_count")
        ]
        return float(total.split()[-1]), float(count.split()[-1])

    total, count = counted()
    while counted()[1] < count + POLLS:
        time.sleep(0.5)
    after, polls = counted()
    return (after - total) / (polls - count)


@contextlib.contextmanager
def readers(url: str, number: int, pause: float) -> Iterator[None]:
    """So many read the page and the metrics, each with a pause of so many seconds between."""
    ended = threading.Event()

    def read(place: int) -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            ended.wait(pause * place / number)
            for path in itertools.cycle(["/", "/metrics"]):
                if ended.wait(pause):
                    return
                http.get(path)

    threads = [threading.Thread(target=read, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def polls(http: httpx.Client, url: str) -> Iterator[tuple[str, str, str]]:
    """Polls alone and with readers, in turn, so that a busy machine is busy for all of them."""
    loads = {"nobody looks": (0, 0.0), "20 open pages": (20, 15.0), "4 that never pause": (4, 0.0)}
    took: dict[str, list[float]] = {words: [] for words in loads}
    for _ in range(ROUNDS):
        for words, (number, pause) in loads.items():
            with readers(url, number, pause):
                took[words].append(poll_seconds(http))
    alone = statistics.median(took["nobody looks"])
    for words, seconds in took.items():
        middle = statistics.median(seconds)
        least, most = min(seconds), max(seconds)
        yield (
            f"poll of 10,000 jobs, {words}, s",
            f"{middle:.3f} ({least:.3f} to {most:.3f})",
            f"{middle / alone:.2f} times",
        )


def spread(values: list[float]) -> str:
    """Median, and the 95th percentile."""
    return f"{statistics.median(values):.1f} ({statistics.quantiles(values, n=20)[-1]:.1f})"


def main() -> None:
    """Measure and print."""
    table = Table("figure", "measured", "limit or peer")
    with (
        tempfile.TemporaryDirectory() as name,
        simulated(Scene(JOBS, 1, before(60 * DAY_MS))) as servers,
    ):
        ledger = Path(name) / "ledger.db"
        upgrade = write(ledger, BUILDS, JOBS, before(DAYS * DAY_MS), DAYS * DAY_MS // BUILDS)
        table.add_row("ledger of 1,000,000 builds, MiB", f"{ledger.stat().st_size / 2**20:.0f}", "")
        table.add_row("… brought from the first version to this one, s", f"{upgrade:.1f}", "")
        with (
            service(Path(name), servers.urls, ledger) as url,
            httpx.Client(base_url=url, timeout=30) as http,
        ):
            for path, limit in (
                ("/", "50"), ("/metrics", "10"), ("/healthz", ""), ("/builds", ""),
                (f"/builds?before={(time.time_ns() // 10**6) - 45 * DAY_MS}-1-1", ""),
                ("/jobs/1", ""), (f"/builds/{BUILDS}", ""), ("/search?q=service-77", ""),
            ):  # fmt: skip
                shown = path.partition("=")[0] if "before" in path else path
                table.add_row(
                    f"{shown}, ms, median (95 %)", spread(milliseconds(http, path)), limit
                )
            for row in polls(http, url):
                table.add_row(*row)
            memory = next(
                float(x.split()[-1])
                for x in http.get("/metrics").text.splitlines()
                if x.startswith("sei_poller_resident_memory_bytes")
            )
            table.add_row("resident memory then, MiB", f"{memory / 2**20:.0f}", "120")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
