"""The session of each answer: what another Jenkins says, or this one since a restart, is not used
before it is known who it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from poller.demo.faults import Receive, Scope, Send, matches, request_of
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from tests.support.site import GUID, Site
from tests.support.waiting import wait_for

TREE, BUILDS = "/api/json?tree=jobs*", "/job/app/api/json*"


class Proxy:
    """In front of ``ours``: the first requests at ``mixed_up`` go to ``other``."""

    def __init__(self) -> None:
        self.ours, self.other = Jenkins(), Jenkins()
        self.other.session, self.other.identity = "0ther", "another-key"
        self.mixed_up: list[str] = []
        self.sessions: Iterator[str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = request_of(scope)
        app: Any = self.ours.app
        if self.mixed_up and matches(self.mixed_up[0], request):
            self.mixed_up.pop(0)
            app = self.other.app
        elif self.sessions is not None:
            self.ours.session = next(self.sessions)
        await app(scope, receive, send)


@pytest.fixture
def proxy() -> Proxy:
    """Before two Jenkins: one job of ten builds at ours, of thirty others at the other."""
    proxy = Proxy()
    for _ in range(10):
        proxy.ours.job("app", "freestyle").build()
    for n in range(30):
        proxy.other.job("app", "freestyle").build(timestamp=1_700_000_000_000 + n)
    return proxy


@pytest.fixture
def site(tmp_path: Path, proxy: Proxy) -> Iterator[Site]:
    """Polled once."""
    sei = Sei(guids={GUID})
    with Server(proxy) as jenkins_server, Server(sei.app) as sei_server:
        site = Site(tmp_path, proxy.ours, sei, jenkins_server, sei_server)
        site.configure()
        assert site.run("once").returncode == 0
        yield site


def sent(site: Site) -> list[int]:
    return sorted(run["build_number"] for run in site.sei.received)


def test_a_tree_of_another_jenkins_is_read_again(site: Site, proxy: Proxy) -> None:
    """One answer: nobody notices, and nothing of it is used."""
    proxy.ours.jobs["app"].build()
    proxy.mixed_up = [TREE]
    assert site.run("once").returncode == 0
    assert sent(site) == list(range(1, 12))
    assert proxy.mixed_up == []


def test_a_tree_of_another_jenkins_again_and_again(site: Site, proxy: Proxy) -> None:
    """It is said, and the next poll goes on."""
    proxy.ours.jobs["app"].build()
    proxy.mixed_up = [TREE, TREE]
    result = site.run("once")
    assert result.returncode == 69
    assert "another Jenkins answered, or this one since a restart" in result.stdout
    assert site.run("once").returncode == 0
    assert sent(site) == list(range(1, 12))


def test_a_page_of_builds_of_another_jenkins_is_not_used(site: Site, proxy: Proxy) -> None:
    """The poll ends, and the job is not put off."""
    proxy.ours.jobs["app"].build()
    proxy.mixed_up = [BUILDS]
    assert site.run("once").returncode == 69
    assert site.run("once").returncode == 0
    assert sent(site) == list(range(1, 12))


def test_one_whose_identity_is_another_is_refused(site: Site, proxy: Proxy) -> None:
    """Whatever it answers, by its key and its builds."""
    proxy.mixed_up = [TREE, "/login*", *["/job/app/*"] * 10]
    result = site.run("once")
    assert result.returncode == 69
    assert "another Jenkins answers here" in result.stdout
    proxy.mixed_up = []
    proxy.ours.jobs["app"].build()
    assert site.run("once").returncode == 0
    assert sent(site) == list(range(1, 12))


def test_one_that_was_restarted_is_known_at_once(site: Site, proxy: Proxy) -> None:
    """For two more requests."""
    proxy.ours.session = "restarted"
    proxy.ours.jobs["app"].build()
    proxy.ours.requests.clear()
    assert site.run("once").returncode == 0
    paths = [request.path for request in proxy.ours.requests]
    assert (paths.count("/login"), paths.count("/api/json")) == (1, 2)
    assert sent(site) == list(range(1, 12))


def test_one_whose_page_can_not_be_had_is_known_by_its_builds(site: Site, proxy: Proxy) -> None:
    """Whoever answers 500 there for ever; and at the first look, when no build is known, too."""
    proxy.ours.fail("/login*", status=500)
    proxy.ours.session = "restarted"
    proxy.ours.jobs["app"].build()
    assert site.run("once").returncode == 0
    assert sent(site) == list(range(1, 12))
    site.ledger.unlink()
    assert site.run("once").returncode == 0


def test_several_that_share_the_work_of_one(site: Site, proxy: Proxy) -> None:
    """A controller of several processes has a session each: all of them become known."""
    chance = Random(7)
    proxy.sessions = (chance.choice(["one", "two", "three"]) for _ in itertools.count())
    site.configure(site.controller(every="1s"))
    with site.start("run") as service:
        for _ in range(3):
            proxy.ours.jobs["app"].build()
            wait_for(lambda: len(site.sei.received) == len(proxy.ours.jobs["app"].builds), 30)
        service.terminate()
        assert service.wait(60) == 0
    assert sent(site) == list(range(1, 14))
