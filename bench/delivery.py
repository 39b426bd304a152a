"""What sick runs and a long backfill cost the others: `python -m bench.delivery`.

Real HTTP on loopback, a ledger on disk, the sender alone: no Jenkins, no poll.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poller.core.build_key import BuildKey
from poller.core.events import NO_EVENTS
from poller.core.times import now_ms
from poller.delivery.sei import SeiClient, SeiSink
from poller.delivery.sender import Sender
from poller.delivery.settlement import Settlement
from poller.demo.faults import Answer
from poller.demo.sei import Sei
from poller.demo.server import Server
from poller.http.client import Connection
from poller.http.throttle import RateLimit
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, JobState

SICK, PAGE, IN_FLIGHT = 10, 100, 4
RATE, SECONDS = 6.0, 60


class Judge(Sei):
    """Answers 500 to the sick; ``at`` is when it took each of the others."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[str, float] = {}

    def _take(self, body: bytes) -> Answer:
        name = json.loads(body)["job_full_name"]
        if name.startswith("sick"):
            return Answer(500, b"{}", {"Content-Type": "application/json"})
        self.at[name] = time.monotonic()
        return super()._take(body)


def queue(ledger: Ledger, name: str, builds: int, *, backfilled: bool = False) -> None:
    """Record builds of a job that a poll found, or a backfill."""
    payload = {
        "pipeline": name, "job_full_name": name, "qualified_name": name, "instance_name": "main",
        "instance_guid": "g", "start_time": 1, "duration": 1, "result": "SUCCESS",
    }  # fmt: skip
    controller, now = ledger.controllers.get("main", 0).id, now_ms()
    for first in range(1, builds + 1, PAGE):
        rows = [
            BuildRow(
                BuildKey(number, now - 1_000 + number, 0), 1, "SUCCESS", "collected", None,
                json.dumps({**payload, "build_number": number}).encode(),
            )
            for number in range(first, min(builds, first + PAGE - 1) + 1)
        ]  # fmt: skip
        state = ledger.jobs.states(controller, name).get(name, JobState(name))
        batch = Batch(state, "Job", rows, None if backfilled else rows[-1].key.number)
        ledger.builds.record(controller, batch, ("sei",), now)


@contextmanager
def place() -> Iterator[tuple[Ledger, Judge, str]]:
    """A ledger, a receiver, and its address."""
    judge = Judge()
    with (
        tempfile.TemporaryDirectory() as name,
        Ledger(Path(name) / "ledger.db") as ledger,
        Server(judge.app) as server,
    ):
        yield ledger, judge, f"{server.url}sei/api/v1"


def sender(ledger: Ledger, address: str, rate: float | None) -> Sender:
    """As the config makes one."""
    client = SeiClient(Connection(address, 30_000, IN_FLIGHT), "demo-key")
    made = Sender(SeiSink(client, IN_FLIGHT), ledger, now_ms, NO_EVENTS, Settlement(ledger))
    made.rate = RateLimit(rate, time.monotonic)
    return made


def throughput(runs: int, sick: int) -> float:
    """Good runs a second, all of them queued behind ``sick`` jobs."""
    with place() as (ledger, judge, address):
        for number in range(sick):
            queue(ledger, f"sick-{number}", 1)
        for number in range(100):
            queue(ledger, f"good-{number}", runs // 100)

        async def send() -> float:
            ours, began = sender(ledger, address, None), time.monotonic()
            done = await ours.run_pass()
            while len(judge.runs) < runs:
                await asyncio.sleep(done.wait(now_ms()) or 0)
                done = await ours.run_pass()
            seconds = time.monotonic() - began  # not the wait for the sick ones' next try
            await ours.sink.aclose()
            return runs / seconds

        return asyncio.run(send())


def latency(history: int) -> list[float]:
    """Seconds from queued to taken of a live build a second, beside so many of history."""
    with place() as (ledger, judge, address):
        for number in range(100):
            queue(ledger, f"old-{number}", history // 100, backfilled=True)
        queued: dict[str, float] = {}

        async def live() -> None:
            for number in range(SECONDS):
                queued[f"live-{number}"] = time.monotonic()
                queue(ledger, f"live-{number}", 1)
                await asyncio.sleep(1)

        async def both() -> None:
            ours = sender(ledger, address, RATE)
            adding = asyncio.create_task(live())
            await ours.run_pass(lambda: adding.done() and queued.keys() <= judge.at.keys())
            await adding
            await ours.sink.aclose()

        asyncio.run(both())
        return [judge.at[name] - at for name, at in queued.items()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.delivery", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--good", type=int, default=10_000)
    parser.add_argument("--history", type=int, default=100_000)
    given = parser.parse_args()
    shares = []
    for number in range(given.runs):
        alone, beside = throughput(given.good, 0), throughput(given.good, SICK)
        shares.append(100 * beside / alone)
        print(f"run {number + 1}: {alone:,.0f} a second, {beside:,.0f} with {SICK} sick jobs")
    print(f"with {SICK} sick among {given.good:,}: {statistics.median(shares):.0f} % (goal: >= 90)")
    found = sorted(latency(given.history))
    p99 = found[int(0.99 * (len(found) - 1))]
    print(
        f"live beside {given.history:,} at {RATE:g} a second: median {statistics.median(found):.1f} s,"
        f" p99 {p99:.1f} s, most {found[-1]:.1f} s (goal: p99 <= 10)"
    )


if __name__ == "__main__":
    main()
