"""The real process, killed at random points while builds complete and SEI answers slowly."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from tests.support.campaign import sizes
from tests.support.simulated_iacm import Harness
from tests.support.simulated_iacm_site import HARNESS_KEY, Place
from tests.support.site import GUID, Site

SITES = 4
BUILDS_A_KILL = 12
"""At most, in the middle: a machine that is busy shall not have to deliver more than it can."""

END_SECONDS = 600
"""The longest that the last deliveries may take."""

RULE = '[[rules]]\nmatch = "**"\niacm_workspace = "network"\niacm_stage = "Build"\n'

JOBS = ("app", "web", "team/app", "team/nightly")


class Life(threading.Thread):
    """Builds begin and end at a Jenkins, in any order, until it is stopped."""

    def __init__(self, jenkins: Jenkins, seed: int) -> None:
        super().__init__(daemon=True)
        self.jenkins = jenkins
        self.chance = random.Random(seed)
        self.over = threading.Event()
        self.running: list[Build] = []
        self.most = 0

    def run(self) -> None:
        while not self.over.wait(self.chance.uniform(0.01, 0.1)):
            begun = sum(len(job.builds) for job in self.jenkins.jobs.values())
            if len(self.running) < 6 and begun < self.most:
                name = self.chance.choice(JOBS)
                kind = "freestyle" if name.endswith("nightly") else "pipeline"
                self.running.append(self.jenkins.job(name, kind=kind).start())
            if self.running and (len(self.running) > 3 or self.chance.random() < 0.3):
                self.running.pop(self.chance.randrange(len(self.running))).finish()
        for build in self.running:
            build.finish()


def kill_often(
    directory: Path, seed: int, kills: int
) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Start and kill the service ``kills`` times, then let it end its work. What SEI received, by
    job and number. For half of the time one of both sinks is down, and the other one is not."""
    chance = random.Random(seed)
    jenkins, sei, harness = Jenkins(), Sei(guids={GUID}), Harness(HARNESS_KEY)
    down: Sei | Harness = harness if seed % 2 else sei
    with ExitStack() as stack:
        jenkins_server = stack.enter_context(Server(jenkins.app))
        sei_server = stack.enter_context(Server(sei.app))
        harness_server = stack.enter_context(Server(harness.app))
        site = Site(directory, jenkins, sei, jenkins_server, sei_server)
        site.environ["HARNESS_API_KEY"] = HARNESS_KEY
        Place(site, harness, harness_server).configure(RULE, every="1s")
        down.fail(status=503)
        for receiver in (sei, harness):
            receiver.fail(status=None, delay=0.05)
        began = time.monotonic()
        site.run("config", "show")
        start = time.monotonic() - began
        life = Life(jenkins, seed)
        life.start()
        for kill in range(kills):
            life.most = (kill + 1) * BUILDS_A_KILL
            if kill == kills // 2:
                deliver_to(site, harness if down is sei else sei)
                assert not down.received
                del down.faults[0]
            with site.start("run") as process:
                time.sleep(start + chance.uniform(0, 1.2))
                process.kill()
                process.communicate()
        life.over.set()
        life.join()
        sei.clear_faults()
        harness.clear_faults()
        finish(site)
        received = defaultdict(list)
        for run in sei.received:
            received[run["job_full_name"], run["build_number"]].append(run)
        there = {(job.full_name, n) for job in jenkins.jobs.values() for n in job.builds}
        assert there == set(received), "lost, or made up"
        assert site.run("reconcile").returncode == 0
        assert site.run("reconcile", "--sink", "iacm").returncode == 0
        assert {one["pipeline_execution_id"] for one in harness.executions} == {
            run["execution_id"] for run in sei.received if run["job_run"]
        }
        for sent in harness.received:
            kept = harness.find(sent["pipeline_execution_id"], sent["pipeline_stage_id"])
            assert kept is not None
            assert sent == {key: kept[key] for key in sent}
        assert len({one["pipeline_execution_id"] for one in harness.executions}) == len(
            harness.executions
        )
    return received


def deliver_to(site: Site, receiver: Sei | Harness) -> None:
    """Let the service live until the one that is up has something: the other holds nothing back."""
    with site.start("run") as process:
        end = time.monotonic() + 60
        while not receiver.received:
            assert time.monotonic() < end, "held back"
            time.sleep(0.05)
        process.kill()
        process.communicate()


def finish(site: Site) -> None:
    """Poll until nothing is left to do, and nothing waits."""
    for _ in range(5):
        with site.start("once", "--now") as process:
            out, err = process.communicate(timeout=END_SECONDS)
        assert process.returncode in (0, 75), err
        if process.returncode == 0 and not site.read("status")["controllers"][0]["in_flight"]:
            return
    raise AssertionError(out)


@pytest.mark.parametrize("kills", sizes(4, 80))
def test_nothing_is_lost_and_doubles_carry_the_same_id(tmp_path: Path, kills: int) -> None:
    """SIGKILL, again and again. A run is sent twice only where its answer was lost with the process."""
    directories = [tmp_path / str(place) for place in range(SITES)]
    for directory in directories:
        directory.mkdir()
    with ThreadPoolExecutor(SITES) as pool:
        sites = list(pool.map(kill_often, directories, range(SITES), repeat(kills // SITES)))
    assert sum(len(received) for received in sites) > kills
    for received in sites:
        for runs in received.values():
            assert len({run["execution_id"] for run in runs}) == 1
            assert all(run == runs[0] for run in runs)
    sent = [len(runs) for received in sites for runs in received.values()]
    print(f"{kills} kills: {len(sent)} builds, {sum(sent) - len(sent)} runs sent again")


def test_a_process_that_is_killed_leaves_no_lock_behind(site: Site) -> None:
    """The next one begins at once."""
    site.jenkins.job("app").build()
    with site.start("run") as process:
        time.sleep(0.7)
        process.kill()
        process.communicate()
    assert site.run("once").returncode == 0
