"""Lists that are cut, empty, or another controller's: nothing is taken for deleted or mixed up."""

from __future__ import annotations

import dataclasses

import pytest

from poller.core.build_key import BuildKey
from poller.demo.jenkins.items import Jenkins
from poller.demo.server import Server
from poller.jenkins.discovery import walk
from poller.jenkins.item import Item, ItemTree
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobProgress, JobState
from poller.polling.changes import SHRUNK_MS, is_postponed, should_ask, shrunk_since
from poller.polling.verify_controller import has_one
from tests.support.jenkins_restore import restart
from tests.support.site import Site

JSON = {"Content-Type": "application/json"}


def fleet(site: Site, jobs: int = 20) -> None:
    """Jobs with a build each, one of which runs."""
    for place in range(jobs):
        site.jenkins.job(f"team/job-{place:02}").build()
    site.jenkins.job("team/job-00").start()
    assert site.run("once").returncode == 0


@pytest.mark.parametrize("body", ['{"jobs":[]}', '{"_class":"hudson.model.Hudson","jobs":[{}]}'])
def test_an_empty_list_is_a_problem_and_no_deletion(site: Site, body: str) -> None:
    """Exit 75, one line; what is in flight stays so, and all goes on when the list is back."""
    fleet(site)
    site.jenkins.fail("/api/json", status=200, body=body, headers=JSON)
    for _ in range(3):
        result = site.run("once")
        assert result.returncode == 75
    assert "0 jobs where 20 were" in result.stdout
    assert "0 jobs where 20 were" in site.read("status")["controllers"][0]["last_error"]
    assert site.read("status")["controllers"][0]["in_flight"] == 1
    site.jenkins.clear_faults()
    next(iter(site.jenkins.running)).finish()
    assert site.run("once").returncode == 0
    assert len(site.sei.runs) == 21


def test_half_a_list_is_not_believed_at_once() -> None:
    """Only when it stays so; a few jobs more or less are nothing."""
    row = ControllerRow(1, 0, 1, jobs=100)
    assert shrunk_since(49, row, 5_000) == 5_000
    assert shrunk_since(51, row, 5_000) is None
    assert shrunk_since(1, dataclasses.replace(row, jobs=5), 5_000) is None
    again = dataclasses.replace(row, shrunk_at=5_000)
    assert shrunk_since(49, again, 5_000 + SHRUNK_MS - 1) == 5_000
    assert shrunk_since(49, again, 5_000 + SHRUNK_MS) is None
    assert shrunk_since(49, again, 4_000) == 4_000


@pytest.mark.parametrize("identity", ["another-key", None])
def test_another_controller_at_the_same_address_is_refused(
    site: Site, identity: str | None
) -> None:
    """Its jobs have the same names: told by its identity, or by its builds where it shows none."""
    fleet(site)
    sent = len(site.sei.received)
    ours, other = site.jenkins, Jenkins()
    other.session, other.identity = "other", identity
    for place in range(20):
        for _ in range(3):
            other.job(f"team/job-{place:02}").build()
    switch(site, other)
    result = site.run("once")
    assert result.returncode == 69
    assert "another Jenkins answers here" in result.stdout
    assert "proxy" in result.stderr
    assert len(site.sei.received) == sent
    for command in (["reconcile"], ["backfill", "--since", "all"]):
        result = site.run(*command)
        assert result.returncode == 69
        assert "another Jenkins answers here" in result.stdout
    assert len(site.sei.received) == sent
    switch(site, ours)
    assert site.run("once").returncode == 0


def test_a_restart_costs_one_request_and_a_new_key_none_of_the_builds(site: Site) -> None:
    """The same history under a new key is the same controller, set up anew."""
    fleet(site)
    restart(site.jenkins)
    site.jenkins.requests.clear()
    assert site.run("once").returncode == 0
    assert [r.path for r in site.jenkins.requests if r.path == "/login"] == ["/login"]
    site.jenkins.requests.clear()
    assert site.run("once").returncode == 0
    assert [r.path for r in site.jenkins.requests if r.path == "/login"] == []
    site.jenkins.identity = "new-key"
    restart(site.jenkins)
    assert site.run("once").returncode == 0


def test_builds_in_flight_of_a_deleted_job_are_given_up_slowly() -> None:
    """And a clock that was set back by a year puts nothing off for a year."""
    job = JobState("app", retry_at=1_000_000)
    assert is_postponed(job, 999_999)
    assert not is_postponed(job, 1_000_000)
    assert not is_postponed(job, 1_000_000 - 31_536_000_000)


def test_a_job_that_is_back_is_looked_at() -> None:
    """With builds, or with none where it had some; not again when that is known."""
    away = JobState("app", 1, progress=JobProgress(1, 2, frozenset({1})), missing=True)
    assert should_ask(Item("app", "Job", 2), away, {("app", 1): BuildKey(1, 10, 7)}, 0)
    assert should_ask(Item("app", "Job", 1), away, {}, 0)
    assert not should_ask(
        Item("app", "Job", 1), JobState("app", 1, progress=JobProgress(0, 1)), {}, 0
    )


def test_one_build_in_common_tells_a_controller() -> None:
    """None of them, or others under the same numbers: another one."""
    assert has_one([(BuildKey(1, 10, 5), None), (BuildKey(2, 20, 6), BuildKey(2, 20, 6))])
    assert not has_one([(BuildKey(1, 10, 5), None), (BuildKey(2, 20, 6), BuildKey(2, 21, 6))])
    assert not has_one([])


def switch(site: Site, jenkins: Jenkins) -> None:
    """Another controller answers at the address."""
    site.jenkins_server.stop()
    site.jenkins_server = Server(jenkins.app, site.jenkins_server.port)
    site.jenkins_server.start()


@pytest.mark.parametrize("kind", [7.5, None, ["hudson.model.FreeStyleProject"]])
def test_a_class_of_another_type_makes_no_other_job(kind: object) -> None:
    """The item is left out, as any that is not what Jenkins exports."""
    look = ItemTree()
    walk({"jobs": [{"_class": kind, "fullName": "app", "nextBuildNumber": 2}]}, look)
    assert (look.items, look.malformed) == ({}, 1)
