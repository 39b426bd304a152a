"""Twenty controllers in one service: each gets its turn, whatever the others do."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from bench.load_servers import below
from poller.demo.faults import Receive, Scope, Send
from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from tests.support.site import Site
from tests.support.waiting import wait_for

CONTROLLERS, JOBS, BEFORE, LIVE = 20, 50, 3, 2
HANGS = 0
"""The first one, so that all others come after it."""


class Fleet:
    """Twenty Jenkins on one port, told apart by the path. ``hangs``: one does not answer."""

    def __init__(self) -> None:
        self.all = [filled() for _ in range(CONTROLLERS)]
        self.hangs = True
        self.asked_in_vain = 0

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        first = scope["path"].split("/")[1]
        if int(first) == HANGS and self.hangs:
            self.asked_in_vain += 1
            while self.hangs:  # noqa: ASYNC110 - another thread says when
                await asyncio.sleep(0.02)
        await self.all[int(first)].app(below(scope, f"/{first}"), receive, send)

    def start(self) -> list[Build]:
        """A build of two jobs of each."""
        return [
            jenkins.job(f"team/job-{place}").start()
            for jenkins in self.all
            for place in range(LIVE)
        ]


def filled() -> Jenkins:
    """One with its jobs, of which some were built."""
    jenkins = Jenkins()
    for place in range(JOBS):
        job = jenkins.job(f"team/job-{place}")
        if place < BEFORE:
            job.build()
    return jenkins


def test_one_that_hangs_delays_no_other(tmp_path: Path) -> None:
    """What the others built comes while that one is still waited for; its own when it answers. All
    of it once."""
    fleet, sei = Fleet(), Sei()
    with Server(fleet.app) as jenkins_server, Server(sei.app) as sei_server:
        site = Site(tmp_path, fleet.all[0], sei, jenkins_server, sei_server)
        site.configure(
            *(
                site.controller(
                    name=f"c-{place}",
                    url=f"{jenkins_server.url}{place}/",
                    instance_guid=guid(place),
                    every="1s",
                    timeout="100s",
                )
                for place in range(CONTROLLERS)
            )
        )
        others = CONTROLLERS - 1
        with site.start("run") as service:
            wait_for(lambda: len(sei.runs) == others * BEFORE, 60)
            for build in fleet.start():
                build.finish()
            wait_for(lambda: len(sei.runs) == others * (BEFORE + LIVE), 60)
            assert fleet.asked_in_vain > 0
            assert guid(HANGS) not in {instance for instance, _, _ in sei.runs}
            fleet.hangs = False
            wait_for(lambda: len(sei.runs) == CONTROLLERS * (BEFORE + LIVE), 60)
            service.terminate()
            _, err = service.communicate(timeout=60)
        assert service.returncode == 0, err
    came = Counter(
        (run["instance_guid"], run["job_full_name"], run["build_number"]) for run in sei.received
    )
    assert set(came.values()) == {1}
    assert {instance for instance, _, _ in came} == {guid(place) for place in range(CONTROLLERS)}


def test_a_fleet_is_parted_with_a_copy_of_its_ledger_each(tmp_path: Path) -> None:
    """When one process no longer serves: with nothing queued, each part goes on where the whole
    was, with what ran then, and sends nothing anew."""
    fleet, sei = Fleet(), Sei()
    fleet.hangs = False
    with Server(fleet.app) as jenkins_server, Server(sei.app) as sei_server:
        site = Site(tmp_path, fleet.all[0], sei, jenkins_server, sei_server)
        tables = [
            site.controller(
                name=f"c-{place}",
                url=f"{jenkins_server.url}{place}/",
                instance_guid=guid(place),
            )
            for place in (0, 1)
        ]
        site.configure(*tables)
        running = fleet.start()
        assert site.run("once").returncode == 0
        assert len(sei.received) == 2 * BEFORE
        for build in running:
            build.finish()
        for place, table in enumerate(tables):
            (tmp_path / f"part-{place}").mkdir()
            part = Site(tmp_path / f"part-{place}", fleet.all[0], sei, jenkins_server, sei_server)
            shutil.copy(site.ledger, part.ledger)
            part.configure(table)
            assert part.run("once").returncode == 0
            assert len(sei.received) == 2 * BEFORE + (place + 1) * LIVE
    assert len(sei.runs) == len(sei.received)


def guid(place: int) -> str:
    """The instance GUID of a controller."""
    return str(uuid5(NAMESPACE_URL, f"c-{place}"))
