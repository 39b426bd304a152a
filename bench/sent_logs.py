"""What sending a failed build with its log costs: memory and time.

    python -m bench.sent_logs [MEGABYTES]

A simulated SEI in a process of its own takes the form; another process reads the log from a real
ledger, zips and sends it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from bench.corpus import logs
from poller.core.build_key import BuildKey
from poller.core.events import NO_EVENTS
from poller.core.kept_log import KeptLog, pack
from poller.core.times import now_ms
from poller.delivery.failed_logs.plugin_form import LogLimits
from poller.delivery.failed_logs.sending import FailedLogs
from poller.delivery.sei import SeiClient, SeiSink
from poller.delivery.sender import Sender
from poller.delivery.settlement import Settlement
from poller.demo.sei import REQUIRED, Sei
from poller.demo.server import Server
from poller.http.client import Connection
from poller.http.throttle import RateLimit
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, JobState


def record(path: str, text: bytes) -> None:
    """A failed build with that log, for SEI."""
    run = {**dict.fromkeys(REQUIRED, "x"), "execution_id": str(uuid.uuid4())}
    row = BuildRow(
        BuildKey(1, 1_000, 1), 5, "FAILURE", "collected", None, json.dumps(run).encode(),
        log=KeptLog(pack(text), len(text)),
    )  # fmt: skip
    with Ledger(Path(path)) as ledger:
        controller = ledger.controllers.get("main", 0).id
        ledger.builds.record(controller, Batch(JobState("app"), "Job", [row], 1), ("sei",), 1)


def serve() -> None:
    """Take what comes, until stdin is closed."""
    with Server(Sei().app) as server:
        print(server.url, flush=True)
        sys.stdin.read()


async def send(url: str, path: str) -> None:
    """Send what is recorded, and print MiB that it took beyond what the process had, and seconds."""
    with Ledger(Path(path)) as ledger:
        limits, rate = LogLimits(2**30, 2**30), RateLimit(None, time.monotonic)
        client = SeiClient(Connection(url, 60_000, 4), "demo-key")
        sink = SeiSink(client, 4, FailedLogs(ledger, now_ms, limits, rate.wait))
        sender = Sender(sink, ledger, now_ms, NO_EVENTS, Settlement(ledger))
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
        before, start = peak(), time.perf_counter()
        done = await sender.run_pass()
        assert done.delivered == 1, done
        print(json.dumps([peak() - before, time.perf_counter() - start]))
        await sink.aclose()


def peak() -> float:
    """MiB that the process had at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


def rows(megabytes: int = 10) -> Iterator[tuple[str, str, str]]:
    """Figure, what was measured, limit or peer."""
    command = [sys.executable, "-m", "bench.sent_logs"]
    with (
        tempfile.TemporaryDirectory(prefix="sei-poller-bench-") as directory,
        subprocess.Popen(
            [*command, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdout is not None
        assert server.stdin is not None
        text = "".join(logs(megabytes * 20)).encode()[: megabytes * 1_000_000]
        record(f"{directory}/ledger.db", text)
        url = server.stdout.readline().strip()
        told = subprocess.run(
            [*command, "send", url, f"{directory}/ledger.db"],
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout  # fmt: skip
        server.stdin.close()
    more, took = json.loads(told)
    yield (
        f"log of {len(text) / 1_000_000:.0f} MB to SEI: memory for zip and request, MiB",
        f"{more:.0f}",
        "60",
    )
    yield "… zipped and sent in s", f"{took:.1f}", ""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["send", url, path]:
            asyncio.run(send(url, path))
        case arguments:
            for row in rows(*map(int, arguments)):
                print("  ".join(filter(None, row)))
