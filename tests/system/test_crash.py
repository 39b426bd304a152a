"""The real process, killed between any two calls that change the ledger's files, or without power.

At a few calls taken at random, or at every call where as many are asked for as there are.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import random
import signal
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.campaign import sizes
from tests.support.forks import Forks
from tests.support.preload import Preload, after_power_loss, need_gcc
from tests.support.site import Site, clean_environ, simulated

JOBS = ("app", "web", "team/nightly")

KINDS = ("killed", "torn", "watched", "no power")
"""Between two calls; in the middle of a write; while another process has the file open; and with
what the disk had of it by then."""


@dataclass(frozen=True)
class Scene:
    """A site, and its command with the library beside it."""

    site: Site
    preload: Preload
    forks: Forks

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command to its end: its exit code, and what it printed."""
        environ = {**clean_environ(), **self.site.environ}
        with self.forks.start(["--config", str(self.site.config), *arguments], environ) as process:
            said = "".join(process.communicate(timeout=60))
        assert "Traceback" not in said, said
        return process.wait(), said


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """With a build of each job."""
    need_gcc()
    with simulated(tmp_path) as site:
        preload = Preload(tmp_path, site.ledger)
        site.environ.update(preload.environ | preload.journal())
        news(site)
        with Forks({**clean_environ(), **site.environ}) as forks:
            yield Scene(site, preload, forks)


@pytest.mark.parametrize("crashes", sizes(1, 5))
@pytest.mark.parametrize("kind", KINDS)
def test_a_later_cycle(scene: Scene, kind: str, crashes: int) -> None:
    """Whatever the call: the ledger opens, and SEI has each build."""
    assert scene.run("once")[0] == 0
    assert scene.preload.calls > 100, "the library does not see SQLite's calls"
    for call in points(crashes, 210):
        news(scene.site)
        if not crash(scene, kind, call):
            break
    assert scene.run("reconcile")[0] == 0


@pytest.mark.parametrize("kind", ["killed", "no power"])
@pytest.mark.parametrize("crashes", sizes(1, 5))
def test_the_very_first_cycle(scene: Scene, kind: str, crashes: int) -> None:
    """From the call that makes the file on."""
    for call in points(crashes, 390):
        for file in scene.site.directory.glob("ledger.db*"):
            file.unlink()
        scene.site.sei.runs.clear()
        scene.site.sei.received.clear()
        if not crash(scene, kind, call):
            break
    assert scene.run("reconcile")[0] == 0


def points(crashes: int, about: int) -> Iterable[int]:
    """The calls to crash at, of ``about`` so many; or all, for as long as it is killed there."""
    if crashes >= about:
        return itertools.count(1)
    return random.Random().sample(range(1, about), crashes)


def news(site: Site) -> None:
    """Each job has a build that is done."""
    for name in JOBS:
        kind = "freestyle" if name.endswith("nightly") else "pipeline"
        site.jenkins.job(name, kind=kind).build()


def crash(scene: Scene, kind: str, call: int) -> bool:
    """Crash one ``once`` there, end its work, and compare. False when it ended before."""
    site, preload = scene.site, scene.preload
    before = {
        file.name.removeprefix(site.ledger.name): file.read_bytes()
        for file in site.directory.glob("ledger.db*")
    }
    received = len(site.sei.received)
    preload.reset()
    preload.die_at(call, torn=kind == "torn")
    beside = sqlite3.connect(site.ledger) if kind == "watched" and before else None
    if beside is not None:
        beside.execute("select count(*) from build").fetchone()
    code, said = scene.run("once")
    assert code in (0, -signal.SIGKILL), (kind, call, said)
    if kind == "no power":
        chance = random.Random(call)
        for file in site.directory.glob("ledger.db*"):
            file.unlink()
        for name, data in after_power_loss(before, preload.changes(), chance).items():
            if name != "-shm":
                site.ledger.with_name(site.ledger.name + name).write_bytes(data)
    preload.reset()
    ended, said = scene.run("once")
    assert ended == 0, (kind, call, said)
    if beside is not None:
        beside.close()
    again = count_sent_again(site, received, (kind, call))
    print(f"{kind}, call {call}: {again} sent again")
    return code != 0


def count_sent_again(site: Site, received: int, where: object) -> int:
    """The file is whole, its counts are right, and SEI has each build: once, but for what it was
    sent in this cycle and answered to nobody, which it has with the same id. How many it has twice.
    """
    with contextlib.closing(sqlite3.connect(site.ledger)) as ledger:
        assert ledger.execute("pragma integrity_check").fetchall() == [("ok",)], where
        assert ledger.execute("pragma foreign_key_check").fetchall() == [], where
        assert ledger.execute(COUNTED).fetchall() == ledger.execute(TALLIED).fetchall(), where
    there = {(job.full_name, n) for job in site.jenkins.jobs.values() for n in job.builds}
    newest = {(job.full_name, max(job.builds)) for job in site.jenkins.jobs.values()}
    sent = collections.defaultdict(list)
    for run in site.sei.received:
        sent[run["job_full_name"], run["build_number"]].append(run)
    assert there == set(sent), where
    assert all(run == runs[0] for runs in sent.values() for run in runs), where
    twice = [build for build, runs in sent.items() if len(runs) > 1]
    again = sum(len(sent[build]) - 1 for build in newest)
    assert len(site.sei.received) == received + len(newest) + again, (where, twice)
    assert again <= len(newest), where
    return again


COUNTED = "select sink, state, count(*) from delivery group by sink, state order by 1, 2"
TALLIED = (
    "select sink, state, sum(count) from tally where sink <> '' group by sink, state"
    " having sum(count) > 0 order by 1, 2"
)
