"""A day of builds at two servers that fail at random, on a simulated clock.

``python -m tests.support.day_of_faults --hours 24 --rate 0.2 --seed 1``
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from poller.config.settings import Settings
from poller.delivery.outcome import PassResult
from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from tests.support.accounting import CONFIG, Program, Stage, record_of
from tests.support.jenkins_restore import restart
from tests.support.random_faults import RandomFaults
from tests.support.site import GUID

MINUTE = 60_000
TIMEOUT_MS = 250
JOBS = (
    ("app", "pipeline"), ("web", "pipeline"), ("nightly", "freestyle"),
    ("team/app", "pipeline"), ("team/lib", "freestyle"), ("team/deep/er/tool", "pipeline"),
)  # fmt: skip
RESULTS = ("SUCCESS", "SUCCESS", "SUCCESS", "FAILURE", "UNSTABLE", "ABORTED")
MOST_AFTER = 100
"""Polls in peace, until all that went without something has had it."""

OUTAGE_RATE, OUTAGE_MINUTES = 0.01, 4
"""Share of the minutes in which a server goes away, refusing all, and for how long at most."""


class Hasty(Program):
    """The program with timeouts shorter than a config may ask for, so that silence costs little."""

    config = CONFIG.replace('since = "all"', 'since = "all"\nlogs = "failed"')

    def settings(self, given: Settings) -> Settings:
        """The same, in a hurry."""
        hasty = {"timeout": TIMEOUT_MS}
        assert given.sei is not None
        return given.model_copy(
            update={
                "controllers": tuple(c.model_copy(update=hasty) for c in given.controllers),
                "sei": given.sei.model_copy(update=hasty),
            }
        )

    def drained(self) -> PassResult:
        """One pass over the outbox, and what it did."""
        line = self.start()
        (sender,) = line.senders
        return self.runner.run(sender.run_pass())


@dataclass
class Life:
    """Builds begin and end at a Jenkins, minute by minute."""

    jenkins: Jenkins
    chance: Random
    busy: float = 0.06
    """Builds a job and minute."""
    built: int = 0
    ended: list[str] = field(default_factory=list)
    """Those of which nothing will change, in the order in which they ended."""

    def minute(self) -> None:
        """What happens in one."""
        for name, kind in JOBS:
            if self.chance.random() < self.busy:
                self.start(name, kind)
        for build in list(self.jenkins.running):
            if not build.building or self.chance.random() < 0.15:
                later = build.building and self.chance.random() < 0.2
                self.finish(build, later=later)
        if self.chance.random() < 0.003 and not any(
            not build.job.kind.pipeline for build in self.jenkins.running
        ):
            restart(self.jenkins)

    def finish(self, build: Build, *, later: bool = False) -> None:
        """A build ends; ``later``: but for its run listeners."""
        build.finish(self.chance.choice(RESULTS), post_production=later)
        if not build.in_progress and uid_of(build) not in self.ended:
            self.ended.append(uid_of(build))

    def start(self, name: str, kind: str) -> None:
        """One more build, sometimes by another one."""
        self.built += 1
        job = self.jenkins.job(name, kind=kind)
        others = [b for j in self.jenkins.jobs.values() if j is not job for b in j.builds.values()]
        upstream = self.chance.choice(others) if others and self.chance.random() < 0.2 else None
        job.start(parameters={"uid": f"u{self.built}"}, upstream=upstream)


@dataclass
class Report:
    """What a day was like."""

    builds: int = 0
    cycles: int = 0
    failed: int = 0
    partial: int = 0
    outages: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    doubled: int = 0
    spoilt: int = 0
    changed: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        faults = sum(self.faults.values())
        requests = sum(self.asked.values())
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.builds} builds, {self.cycles} polls ({self.failed} failed, {self.partial} in part),"
            f" {self.outages} outages, {requests} requests {dict(self.asked)}, {faults} faults"
            f" ({100 * faults / max(1, requests):.0f} %): {kinds}\n"
            f"{self.sent} runs sent, {self.doubled} of them again ({self.spoilt} answers lost or"
            f" spoilt), {self.changed} without a cause further up, as `status` tells;"
            f" {self.seconds:.0f} s"
        )


class Day:
    """A play: ``hours`` of builds, polled every so many minutes, at ``rate`` faults on both sides."""

    def __init__(
        self,
        stage: Stage,
        directory: Path,
        *,
        hours: float,
        every: int,
        rate: float,
        seed: int,
        wait: int = 1,
        busy: float = 0.06,
    ) -> None:
        self.stage, self.directory = stage, directory
        self.minutes, self.every = int(hours * 60), every
        self.chance = Random(seed)
        self.now = 1_700_000_000_000
        self.jenkins = stage.jenkins = Jenkins(clock=lambda: self.now)
        self.sei = stage.sei = Sei(guids={GUID})
        self.random_faults = [
            RandomFaults(rate, seed=seed * 2 + place, slow=2.0, wait=wait, elsewhere=elsewhere)
            for place, elsewhere in enumerate(("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"))
        ]
        self.jenkins.faults.append(self.random_faults[0])
        self.sei.faults.append(self.random_faults[1])
        self.life = Life(self.jenkins, Random(seed + 1), busy)
        self.program = Hasty(stage, directory, self.now)
        self.report = Report()
        self.down: dict[Server, int] = {}
        self.send_at = 0

    def play(self) -> Report:
        """The whole day, and the hours after it; then SEI is compared with Jenkins."""
        began = time.monotonic()
        for minute in range(self.minutes):
            self.now += MINUTE
            self.life.minute()
            self._outages(minute)
            if minute % self.every == 0:
                self._cycle()
        for server in list(self.down):
            server.start()
        self.jenkins.clear_faults()
        self.sei.clear_faults()
        for build in list(self.jenkins.running):
            build.finish()
        for _ in range(MOST_AFTER):
            self.now += 20 * MINUTE
            left = self._cycle()
            incomplete, others = self._incomplete()
            if not left and not others:
                break
        self.program.close()
        self._compare(incomplete)
        self.report.seconds = time.monotonic() - began
        return self.report

    def _outages(self, minute: int) -> None:
        for server, until in list(self.down.items()):
            if minute >= until:
                del self.down[server]
                server.start()
        for server in (self.stage.jenkins_server, self.stage.sei_server):
            if server not in self.down and self.chance.random() < OUTAGE_RATE:
                self.down[server] = minute + self.chance.randint(1, OUTAGE_MINUTES)
                self.report.outages += 1
                server.stop()

    def _cycle(self) -> bool:
        """Poll and deliver, as the service does; whether something is left to do."""
        self.program.now = self.now
        cycle = self.program.poll()
        self.report.cycles += 1
        self.report.failed += cycle.error is not None
        self.report.partial += bool(cycle.problems)
        left = cycle.partial or bool(self.jenkins.running)
        if self.now < self.send_at:
            return True
        done = self.program.drained()
        wait = done.wait(self.now)
        self.send_at = self.now + int(1000 * (wait or 0))
        return left or wait is not None

    def _incomplete(self) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
        """The builds whose runs went without causes further up, as the ledger says aloud; those that
        lack something that is there again."""
        noted = self.program.start().ledger.incomplete.newest("main", 1_000_000)
        places = {(one["job"], one["number"]): "causes of" in one["why"] for one in noted}
        gone = {place for place, of_causes in places.items() if of_causes}
        return gone, places.keys() - gone

    def _compare(self, incomplete: set[tuple[str, int]]) -> None:
        builds = [b for job in self.jenkins.jobs.values() for b in job.builds.values()]
        received = by_uid(self.sei.received)
        missing = sorted(uid_of(b) for b in builds if uid_of(b) not in received)
        assert missing == [], f"lost: {missing}"
        assert len(received) == len(builds), "made up"
        spoilt = Counter(uid(run) for run in self.sei.spoilt)
        for name, runs in received.items():
            assert len({run["execution_id"] for run in runs}) == 1
            versions = [run for at, run in enumerate(runs) if run not in runs[:at]]
            records = [record_of(run) for run in versions]
            assert all(one == records[0] for one in records), f"{name} was sent as another run"
            assert len(runs) <= len(versions) + spoilt[name], f"{name} was doubled"
        assert len(self.sei.runs) == len(builds), "two builds in one place"
        calm = self._calm()
        changed = [name for name, runs in received.items() if runs[-1] != calm[name][0]]
        silent = [name for name in changed if place_of(received[name][-1]) not in incomplete]
        assert silent == [], f"not what a calm day sends: {difference(received, calm, silent)}"
        self.report.changed = len(changed)
        report = self.report
        report.builds, report.sent = len(builds), len(self.sei.received)
        report.doubled, report.spoilt = report.sent - len(builds), len(self.sei.spoilt)
        report.asked = Counter(jenkins=len(self.jenkins.requests), sei=len(self.sei.requests))
        report.faults = sum((w.seen for w in self.random_faults), Counter())

    def _calm(self) -> dict[str, list[dict[str, Any]]]:
        """What a program sends that sees the same Jenkins without any fault."""
        sei = self.stage.sei = Sei(guids={GUID})
        asked = len(self.jenkins.requests)
        directory = self.directory / "calm"
        directory.mkdir()
        calm = Program(self.stage, directory, self.now)
        cycle = calm.poll()
        assert (cycle.error, cycle.problems) == (None, [])
        calm.deliver()
        calm.close()
        self.stage.sei = self.sei
        del self.jenkins.requests[asked:]
        return by_uid(sei.received)


def by_uid(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """All runs of each build."""
    found = defaultdict(list)
    for run in runs:
        found[uid(run)].append(run)
    return found


def difference(
    received: dict[str, list[dict[str, Any]]],
    calm: dict[str, list[dict[str, Any]]],
    names: list[str],
) -> str:
    """What is other in the first of these builds."""
    ours, due = received[names[0]][-1], calm[names[0]][0]
    keys = {key for key in ours.keys() | due.keys() if ours.get(key) != due.get(key)}
    shown = {key: (ours.get(key), due.get(key)) for key in sorted(keys)}
    return f"{len(names)} of them; {names[0]}: {json.dumps(shown)[:2000]}"


def uid(run: dict[str, Any]) -> str:
    """Which build a run is of."""
    (value,) = [p["value"] for p in run["job_run_params"] if p["name"] == "uid"]
    return str(value)


def place_of(run: dict[str, Any]) -> tuple[str, int]:
    """Job and number of a run."""
    return run["job_full_name"], run["build_number"]


def uid_of(build: Build) -> str:
    """The same of a build."""
    return str(build.parameters["uid"])


@contextmanager
def staged() -> Iterator[tuple[Stage, Path]]:
    """The servers and a place for the ledgers."""
    with Stage() as stage, tempfile.TemporaryDirectory() as directory:
        yield stage, Path(directory)


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--every", type=int, default=1, help="minutes between two polls")
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with staged() as (stage, directory):
        day = Day(
            stage, directory,
            hours=given.hours, every=given.every, rate=given.rate, seed=given.seed,
        )  # fmt: skip
        print(day.play())


if __name__ == "__main__":
    main()
