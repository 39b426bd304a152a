"""A simulated day at 20 % faults on both sides, and an outage of three days. The long campaign is
``python -m tests.support.day_of_faults``."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from poller.config.settings import Settings
from poller.core.errors import RemoteError
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from tests.support.accounting import CONFIG, Stage
from tests.support.day_of_faults import MINUTE, Day, Hasty, Life, uid
from tests.support.random_faults import FAULTS, RandomFaults
from tests.support.site import GUID

RATE = 0.2
BATCH = 200
"""Runs that a pass over the outbox takes at once: no run is further from its place by age."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Both servers."""
    with Stage() as stage:
        yield stage


def poll_well(program: Hasty) -> None:
    """Poll without faults; a timeout as short as this one's is missed now and then all the same."""
    assert any(program.poll().error is None for _ in range(20))


def test_a_day_loses_and_doubles_nothing(stage: Stage, tmp_path: Path) -> None:
    """24 hours of builds, with outages of both servers; what SEI has is what a calm day sends."""
    day = Day(stage, tmp_path, hours=24, every=60, rate=RATE, seed=1, wait=0, busy=0.02)
    report = day.play()
    assert report.builds > 100
    assert report.failed + report.partial > 10
    assert report.spoilt > 5, "a day without a lost answer proves little"


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_is_one_sentence(stage: Stage, tmp_path: Path, kind: str) -> None:
    """Where nothing else comes, too: an error of ours, and no run counts as sent that is not."""
    jenkins, sei = stage.jenkins, stage.sei = Jenkins(), Sei(guids={GUID})
    stage.jenkins = jenkins
    jenkins.job("app").build(parameters={"uid": "u1"})
    program = Hasty(stage, tmp_path)
    jenkins.faults.append(RandomFaults(1.0, kinds=[kind], path_glob="/api/json", slow=1.0, wait=0))
    cycle = program.poll()
    if kind != "wrong types":  # of which some change nothing that is read
        assert isinstance(cycle.error, RemoteError)
        assert "\n" not in str(cycle.error)
        assert len(str(cycle.error)) < 300
    jenkins.clear_faults()
    poll_well(program)
    sei.faults.append(RandomFaults(1.0, kinds=[kind], slow=1.0, wait=0))
    delivered = program.drained().delivered
    assert not delivered or sei.received, "SEI has not got it"
    sei.clear_faults()
    while not program.drained().clean:
        program.now += MINUTE
    program.close()
    assert {uid(run) for run in sei.received} == {"u1"}
    assert len(sei.received) <= 1 + len(sei.spoilt)


@pytest.mark.parametrize(("rate", "path_glob"), [(RATE, "*"), (1.0, "*"), (1.0, "/computer/*")])
def test_faults_do_not_double_the_idle_load(
    stage: Stage, tmp_path: Path, rate: float, path_glob: str
) -> None:
    """Nothing is built, ten builds go on: two requests a poll, tries again and all else included."""
    now = 1_700_000_000_000
    jenkins = stage.jenkins = Jenkins(clock=lambda: now)
    stage.sei = Sei(guids={GUID})
    for place in range(10):
        jenkins.job(f"team/job-{place}").build()
        jenkins.job(f"team/job-{place}").start()
    program = Hasty(stage, tmp_path, now)
    poll_well(program)
    jenkins.requests.clear()
    kinds = [kind for kind in FAULTS if kind not in ("429 in seconds", "429 until a date")]
    jenkins.faults.append(RandomFaults(rate, 7, path_glob, kinds=kinds, slow=1.0))
    polls = 12
    for _ in range(polls):
        program.now += MINUTE
        program.poll()
    program.close()
    assert len(jenkins.requests) <= 2 * 2 * polls, Counter(r.path for r in jenkins.requests)


class Paced(Hasty):
    """The program with a rate that SEI can bear."""

    rate = 200
    config = CONFIG.replace("request_rate = 10000", f"request_rate = {rate}")

    def settings(self, given: Settings) -> Settings:
        """In no hurry: here nobody is silent."""
        return given


def test_after_three_days_without_sei_the_oldest_goes_first(stage: Stage, tmp_path: Path) -> None:
    """All that was built meanwhile is kept, and sent at the rate that the config allows."""
    now = 1_700_000_000_000
    jenkins = stage.jenkins = Jenkins(clock=lambda: now)
    sei = stage.sei = Sei(guids={GUID})
    life = Life(jenkins, Random(3))
    program = Paced(stage, tmp_path, now)
    poll_of: dict[tuple[str, int], int] = {}
    stage.sei_server.stop()
    for minute in range(3 * 24 * 60):
        now += MINUTE
        if minute % 6 == 0:
            life.minute()
        if minute % 120 == 0:
            program.now = now
            program.poll()
            for build in collected(tmp_path):
                poll_of.setdefault(build, minute)
            assert not program.drained().delivered
    for running in list(jenkins.running):
        life.finish(running)
    program.poll()
    for build in collected(tmp_path):
        poll_of.setdefault(build, minute + 1)
    stage.sei_server.start()
    assert program.drained().clean
    program.close()
    assert sorted(map(uid, sei.received)) == sorted(life.ended)
    assert_oldest_first(sei, poll_of)
    posts = [request.at for request in sei.requests]
    for place in range(len(posts) - Paced.rate):
        # One second's worth and a few: when requests leave is kept, when they arrive varies.
        assert posts[place + Paced.rate] - posts[place] > 0.9


def collected(directory: Path) -> list[tuple[str, int]]:
    """The job and number of each collected build, from the ledger."""
    with contextlib.closing(sqlite3.connect(directory / "ledger.db")) as ledger:
        rows = ledger.execute("select job, number from job_runs where state = 'collected'")
        return [(str(job), int(number)) for job, number in rows]


def assert_oldest_first(sei: Sei, poll_of: Mapping[tuple[str, int], int]) -> None:
    """Within a job by the polls that collected them; over all of them about so, too."""
    sent = [(run["job_full_name"], run["build_number"]) for run in sei.received]
    assert len(sent) > BATCH
    by_job = defaultdict(list)
    for build in sent:
        by_job[build[0]].append(poll_of[build])
    assert all(polls == sorted(polls) for polls in by_job.values())
    due = sorted(poll_of.values())
    for at, build in enumerate(sent):
        assert due[max(0, at - BATCH)] <= poll_of[build] <= due[min(len(due) - 1, at + BATCH)]
