"""Kind to Jenkins, and to SEI: who asks, how much at once, and when nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poller.demo.faults import Answer, Receive, Request, Scope, Send, matches
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from poller.http.client import USER_AGENT, Connection
from poller.jenkins.build_pages import newest_builds
from poller.jenkins.client import JenkinsClient
from poller.polling.cycle import poll
from tests.status.conftest import serve
from tests.support.site import GUID, TOKEN, Site
from tests.support.starting_jenkins import STARTING, build_jobs, end
from tests.support.waiting import wait_for


class Door:
    """In front of a server: who comes, and how many at once."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.agents: Counter[str] = Counter()
        self.inside = self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        self.agents[headers.get(b"user-agent", b"").decode()] += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self._app(scope, receive, send)
        finally:
            self.inside -= 1


@contextlib.contextmanager
def watched_site(directory: Path) -> Iterator[tuple[Site, Door, Door]]:
    """A site with somebody at each door."""
    jenkins, sei = Jenkins(), Sei(guids={GUID})
    at_jenkins, at_sei = Door(jenkins.app), Door(sei.app)
    with Server(at_jenkins) as jenkins_server, Server(at_sei) as sei_server:
        site = Site(directory, jenkins, sei, jenkins_server, sei_server)
        site.configure()
        yield site, at_jenkins, at_sei


def asked(site: Site) -> list[str]:
    """What Jenkins was asked: path and tree."""
    return [f"{request.path}?{request.query}" for request in list(site.jenkins.requests)]


def tries(site: Site) -> list[str]:
    """The small requests among them."""
    return [request for request in asked(site) if request == "/api/json?tree=mode"]


def said(log: list[dict[str, Any]], event: str) -> int:
    """How often."""
    return sum(line["event"] == event for line in log)


def dies_at(site: Site, path_glob: str, status: int) -> None:
    """All is answered so from the first request of such a path on."""
    dead: list[Request] = []

    def fault(request: Request) -> Answer | None:
        if dead or matches(path_glob, request):
            dead.append(request)
            return Answer(status, b"", {"Content-Type": "text/html"})
        return None

    site.jenkins.faults.append(fault)


def test_every_request_says_who_asks(tmp_path: Path) -> None:
    """The program and its version, whatever asks: polls, checks, python-jenkins, SEI."""
    assert re.fullmatch(r"sei-poller/\d+\.\d+\.\d+\S* \(\S.*\)", USER_AGENT)
    with watched_site(tmp_path) as (site, at_jenkins, at_sei):
        build_jobs(site, 3)
        for command in ("check", "once", "reconcile"):
            assert site.run(command).returncode == 0
        assert set(at_jenkins.agents) == {USER_AGENT}
        assert set(at_sei.agents) == {USER_AGENT}


def test_never_more_at_once_than_configured(tmp_path: Path) -> None:
    """A first poll of many jobs, comparisons, and a backfill by another process beside them: it
    takes half as many more."""
    with watched_site(tmp_path) as (site, at_jenkins, _):
        build_jobs(site, 25, 2)
        site.jenkins.fail(status=None, delay=0.02)
        site.configure(
            site.controller(every="1s", max_connections=3),
            more='[reconcile]\nevery = "1s"\njobs = 20\n',
        )
        with site.start("run") as service:
            wait_for(lambda: len(site.sei.runs) > 5, 30)
            assert at_jenkins.most == 3
            with site.start("backfill", "--since", "all") as backfill:
                wait_for(lambda: len(site.sei.runs) == 50, 60)
                assert backfill.wait(60) == 0
            end(service)
        assert at_jenkins.most <= 3 + 1


def test_a_command_beside_the_service_takes_half(tmp_path: Path) -> None:
    """At least one request at once; `once`, which is never beside it, takes all."""
    with watched_site(tmp_path) as (site, at_jenkins, _):
        build_jobs(site, 25)
        site.jenkins.fail(status=None, delay=0.02)
        most = {}
        for command in ("backfill --since all", "once"):
            for connections in (5, 1):
                site.ledger.unlink(missing_ok=True)
                site.configure(site.controller(max_connections=connections))
                at_jenkins.most = 0
                assert site.run(*command.split()).returncode == 0
                most[command, connections] = at_jenkins.most
        assert list(most.values()) == [2, 1, 5, 1]


def test_one_that_slows_down_is_asked_more_slowly(tmp_path: Path) -> None:
    """And as before when it is fast again."""
    with watched_site(tmp_path) as (site, at_jenkins, _):
        site.jenkins.job("app").build()

        async def ask(api: JenkinsClient, count: int, delay: float) -> int:
            site.jenkins.clear_faults()
            site.jenkins.fail(status=None, delay=delay)
            await asyncio.gather(*(newest_builds(api, "app", 1) for _ in range(count)))
            at_jenkins.most = 0
            await asyncio.gather(*(newest_builds(api, "app", 1) for _ in range(8)))
            return at_jenkins.most

        async def all_of_it() -> list[int]:
            connection = Connection(site.jenkins_server.url, 5_000, 4)
            api = JenkinsClient("main", connection, "reader", TOKEN)
            seen = [await ask(api, 40, 0.05), await ask(api, 34, 0.2), await ask(api, 64, 0.05)]
            await api.aclose()
            return seen

        before, slow, after = asyncio.run(all_of_it())
        assert (before, after) == (4, 4)
        assert slow == 1


def test_one_that_starts_is_left_alone_and_asked_by_one_small_request(site: Site) -> None:
    """Its page comes with 503 to whatever is asked. Nothing else is asked until it works."""
    build_jobs(site, 5)
    site.configure(site.controller(every="1s"))
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 5)
        site.jenkins.fail(status=503, body=STARTING.decode())
        site.jenkins.requests.clear()
        build_jobs(site, 5)
        wait_for(lambda: len(tries(site)) >= 2)
        assert len(asked(site)) - len(tries(site)) <= 1  # the poll that found out
        breaker = site.read("status")["controllers"][0]["breaker"]
        site.jenkins.clear_faults()
        wait_for(lambda: len(site.sei.runs) == 10)
        log = end(service)
    assert breaker["state"] in ("open", "half-open")
    assert "getting ready to work" in breaker["why"]
    assert (said(log, "circuit_opened"), said(log, "circuit_closed")) == (1, 1)
    assert said(log, "poll_failed") == 1


def test_one_that_dies_in_a_poll_is_not_asked_for_the_rest(tmp_path: Path) -> None:
    """A few requests fail, and hundreds are not sent; no job is blamed, and nothing is lost."""
    with watched_site(tmp_path) as (site, _, _):
        build_jobs(site, 100)
        dies_at(site, "/job/job-*/api/json*", 502)
        assert site.run("once").returncode == 69
        assert len(asked(site)) - len(tries(site)) <= 2 + 1 + 3 + 4  # the look, who, three, on way
        site.jenkins.clear_faults()
        site.jenkins.requests.clear()
        assert site.run("once").returncode == 0
        assert asked(site)[0] == "/api/json?tree=mode"
        assert len(site.sei.runs) == 100
        assert site.read("status")["controllers"][0]["breaker"]["state"] == "closed"


def test_no_run_goes_without_what_was_not_asked(site: Site) -> None:
    """A controller that dies while logs are read: the builds wait for their logs."""
    build_jobs(site, 1, 40)
    site.configure(site.controller(logs="all"))
    dies_at(site, "*consoleText", 502)
    assert site.run("once").returncode == 69
    assert site.sei.runs == {}
    site.jenkins.clear_faults()
    assert site.run("once").returncode == 0
    assert len(site.sei.runs) == 40
    assert site.read("status")["controllers"][0]["incomplete"]["count"] == 0


def test_one_bad_job_is_no_bad_controller(site: Site) -> None:
    """Jenkins answers 500 for a job that it can't export; the others are collected."""
    build_jobs(site, 12)
    site.jenkins.fail("/job/job-00[0-9]/api/json*", status=500)
    assert site.run("once").returncode == 75
    assert len(site.sei.runs) == 2
    assert site.read("status")["controllers"][0]["breaker"]["state"] == "closed"


def test_questions_that_fail_do_not_open_the_circuit(site: Site) -> None:
    """However many stage trees a proxy gives up on: the controller answers, and all else is
    collected."""
    build_jobs(site, 12)
    site.jenkins.fail("/job/job-00[0-5]/*wfapi/*", status=504)
    assert site.run("once").returncode == 75
    assert len(site.sei.runs) == 6
    assert site.read("status")["controllers"][0]["breaker"]["state"] == "closed"


def test_a_job_that_is_told_to_wait_does_not_fail_the_poll(site: Site) -> None:
    """A gateway's 429 for ever, while others are answered after it: it is put off like any other."""
    build_jobs(site, 12)
    site.jenkins.fail("/job/job-000/api/json*", status=429, headers={"Retry-After": "3600"})
    assert site.run("once").returncode == 75
    assert len(site.sei.runs) == 11
    site.jenkins.requests.clear()
    assert site.run("once").returncode == 0
    assert len(asked(site)) == 2


def test_from_cron_it_is_one_small_request_a_run(site: Site) -> None:
    """Once the breaker is open, which the next process knows."""
    site.jenkins.fail(status=502)
    for _ in range(3):
        assert site.run("once").returncode == 69
    site.jenkins.requests.clear()
    for _ in range(2):
        assert site.run("once").returncode == 69
    assert asked(site) == ["/api/json?tree=mode"] * 2
    site.jenkins.clear_faults()
    site.jenkins.job("app").build()
    assert site.run("preview", "app", "1").returncode == 0  # who asks for little just asks


def test_a_backfill_of_one_that_is_away_ends_at_once(site: Site) -> None:
    """It does not go through all jobs, and can be run again."""
    build_jobs(site, 60)
    dies_at(site, "/job/*", 503)
    done = site.run("backfill", "--since", "all")
    assert done.returncode == 75
    assert "run it again" in done.stdout
    assert len(asked(site)) < 20


def test_everybody_can_see_it(site: Site) -> None:
    """`status`, its JSON, the page, metrics and health; and after a restart, one small request."""
    site.jenkins.job("app").build()
    with serve(site) as service:
        service.wait_delivered(1)
        site.jenkins.fail(status=502)
        gauge = 'sei_poller_controller_breaker_state{controller="main"}'
        service.wait(lambda: f"{gauge} 2.0" in service.get("/metrics").text)
        text = site.run("status").stdout
        breaker = site.read("status")["controllers"][0]["breaker"]
        service.wait(lambda: "circuit open" in service.get("/healthz").text)
        page = service.get("/").text
        assert 'sei_poller_requests_at_once{controller="main"} 4.0' in service.get("/metrics").text
    assert "breaker open since 20" in text
    assert "HTTP 502" in text
    assert (breaker["state"], breaker["why"]) == ("open", "HTTP 502")
    assert breaker["since"] <= breaker["next_try"]
    assert "Circuit open" in page
    site.jenkins.requests.clear()
    with serve(site) as service:
        wait_for(lambda: bool(site.jenkins.requests))
        assert asked(site)[0] == "/api/json?tree=mode"
        site.jenkins.clear_faults()
        service.wait(lambda: f"{gauge} 0.0" in service.get("/metrics").text)
    assert "breaker" not in site.run("status").stdout


def test_sei_gets_one_run_before_many(site: Site) -> None:
    """While it is down, one now and then; and `status` says so."""
    build_jobs(site, 12)
    site.sei.fail(status=503)
    assert site.run("once").returncode == 75
    breaker = site.read("status")["sinks"]["sei"]["breaker"]
    assert (breaker["state"], breaker["why"]) == ("open", "sei: HTTP 503")
    assert "sei: breaker open since" in site.run("status").stdout
    site.sei.requests.clear()
    assert site.run("once").returncode == 75
    assert 1 <= len(site.sei.requests) <= 3  # one in each of the passes of `once`
    site.sei.clear_faults()
    assert site.run("once").returncode == 0
    assert len(site.sei.runs) == 12
    assert site.read("status")["sinks"]["sei"]["breaker"]["state"] == "closed"


def test_a_poll_refuses_without_asking(site: Site) -> None:
    """While its circuit is open; the ledger says why, and when it is tried. Before, each poll is
    the item tree, and the look whether that alone fails."""
    from poller.config.load import load
    from poller.context import open_context

    now = 1_764_000_000_000
    site.jenkins.fail(status=502)

    async def polls() -> tuple[list[int], str]:
        counts = []
        async with open_context(
            load(site.config, site.environ), site.environ, clock=lambda: now
        ) as line:
            (controller,) = line.controllers
            for _ in range(5):
                cycle = await poll(controller)
                counts.append(len(site.jenkins.requests))
                assert cycle.error is not None
            return counts, str(cycle.error)

    assert asyncio.run(polls()) == ([2, 4, 6, 6, 6], "controller main: circuit open: HTTP 502")
