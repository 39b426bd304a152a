"""Builds that begin: seen in the two requests of every poll, asked for when they end."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from poller.core.build_key import BuildKey
from poller.demo.faults import Answer, Fault
from poller.jenkins.answers import Executable
from poller.jenkins.item import Item
from poller.jenkins.running_builds import named_builds
from poller.ledger.records import JobProgress
from poller.polling.changes import needs_collecting, started_builds
from tests.support.jenkins_restore import restart
from tests.support.site import Site

ROOT = "https://jenkins.example/"
KINDS = ["pipeline", "freestyle", "matrix"]


def asked(site: Site) -> list[str]:
    """Run `once`; the paths that it asked of Jenkins, but for those of every poll."""
    site.jenkins.requests.clear()
    assert site.run("once").returncode == 0
    paths = [request.path for request in site.jenkins.requests]
    assert paths[:2] == ["/api/json", "/computer/api/json"]
    return paths[2:]


def sent(site: Site) -> list[int]:
    """The numbers that SEI received, in that order."""
    return [run["build_number"] for run in site.sei.received]


def books(site: Site) -> tuple[int, int, dict[str, int]]:
    """How many builds are in flight, are gaps, and were skipped, by reason."""
    (row,) = site.read("status")["controllers"]
    return row["in_flight"], row["gaps"], row["skipped_because"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_build_is_asked_for_once(site: Site, kind: str) -> None:
    """Not when it begins, though it is in flight then, with what tells it from every other."""
    job = site.jenkins.job("app", kind=kind)
    job.build()
    site.run("once")
    build = job.start()
    assert asked(site) == []
    assert books(site) == (1, 0, {})
    with contextlib.closing(sqlite3.connect(site.ledger)) as ledger:
        rows = ledger.execute("select number, timestamp, queue_id from build order by number")
        assert (2, build.timestamp, build.queue_id) == rows.fetchall()[-1]
    assert asked(site) == []
    build.finish()
    stages = ["/job/app/2/wfapi/describe"] if kind == "pipeline" else []
    assert asked(site) == ["/job/app/api/json", *stages]
    assert books(site) == (0, 0, {})
    assert sent(site) == [1, 2]


def test_several_of_a_job(site: Site) -> None:
    """The first that ends brings what is known of all; the others are waited for."""
    job = site.jenkins.job("app")
    job.build()
    site.run("once")
    first, second, third = job.start(), job.start(), job.start()
    assert asked(site) == []
    second.finish()
    assert asked(site) == ["/job/app/api/json", "/job/app/3/wfapi/describe"]
    assert asked(site) == []
    assert books(site) == (2, 0, {})
    fourth = job.start()
    assert asked(site) == []
    assert books(site) == (3, 0, {})
    for build in (third, first, fourth):
        build.finish()
    asked(site)
    assert sorted(sent(site)) == [1, 2, 3, 4, 5]
    assert books(site) == (0, 0, {})


def test_one_that_vanishes_is_gone_and_no_gap(site: Site) -> None:
    """A freestyle build that ran while Jenkins was killed."""
    job = site.jenkins.job("app", kind="freestyle")
    job.build()
    site.run("once")
    job.start()
    asked(site)
    restart(site.jenkins)
    site.run("once")
    assert books(site) == (1, 0, {})
    site.look_again(4)
    assert books(site) == (0, 0, {"gone": 1})
    job.build()
    assert asked(site) == ["/job/app/api/json"]
    assert books(site) == (0, 0, {"gone": 1})
    assert sent(site) == [1, 3]


def test_a_job_created_anew_past_its_number_is_another(site: Site) -> None:
    """Between two polls, its newest build running: seen when that ends, and nothing is lost."""
    site.jenkins.job("app").build()
    site.run("once")
    site.jenkins.job("app").recreate()
    job = site.jenkins.job("app")
    job.build()
    build = job.start()
    assert asked(site) == []
    build.finish()
    asked(site)
    assert sent(site) == [1, 2, 3]
    assert books(site) == (0, 0, {})


@pytest.mark.parametrize("seen", [True, False])
def test_a_job_that_is_renamed_while_it_builds(site: Site, *, seen: bool) -> None:
    """It goes on under its new name."""
    job = site.jenkins.job("app")
    job.build()
    site.run("once")
    build = job.start()
    if seen:
        asked(site)
    site.jenkins.rename("app", "web")
    asked(site)
    assert books(site) == (1, 0, {})
    build.finish()
    asked(site)
    assert [(run["job_full_name"], run["build_number"]) for run in site.sei.received] == [
        ("app", 1), ("web", 2),
    ]  # fmt: skip
    assert books(site) == (0, 0, {})
    assert site.run("reconcile").returncode == 0


def test_where_jenkins_does_not_say_what_runs_the_job_is_asked(site: Site) -> None:
    """The counter has moved, and that is all there is to go by."""
    job = site.jenkins.job("app")
    job.build()
    site.run("once")
    site.jenkins.can_see_computer = False
    job.start()
    assert asked(site) == ["/job/app/api/json"]
    assert books(site) == (1, 0, {})


def test_one_that_began_before_since_is_not_ours(site: Site) -> None:
    """It is not in flight, and not sent when it ends."""
    site.configure(site.controller(since="2100-01-01"))
    job = site.jenkins.job("app")
    job.build()
    site.run("once")
    build = job.start()
    assert asked(site) == []
    assert books(site) == (0, 0, {})
    build.finish()
    asked(site)
    assert sent(site) == []


def test_a_build_is_told_from_the_node_step_at_its_address() -> None:
    """In whatever order they come; a step alone is not the build's start."""
    step, build = (
        Executable(f"{ROOT}job/App/7/", 1_002, 0),
        Executable(f"{ROOT}job/App/7/", 1_000, 9),
    )
    for told in ([step, build], [build, step]):
        assert {("app", 7): BuildKey(7, 1_000, 9)} == named_builds(told, "/")
    assert {("app", 7): BuildKey(7, 1_002)} == named_builds([step], "/")


@pytest.mark.parametrize(
    ("next_build_number", "in_flight", "running", "news"),
    [
        (6, set(), {}, False),
        (8, set(), {6: 60, 7: 70}, False),
        (8, set(), {6: 60}, True),
        (8, set(), {7: 70}, True),
        (8, set(), {6: 60, 7: 0}, True),
        (8, {4, 6}, {4: 40, 6: 60, 7: 70}, False),
        (8, {4, 6}, {6: 60, 7: 70}, True),
        (6, {4}, {4: 0}, False),
        (5, set(), {}, True),
        (2**31, set(), {6: 60}, True),
    ],
)
def test_a_job_has_news_when_one_ended(
    next_build_number: int, in_flight: set[int], running: dict[int, int], news: bool
) -> None:
    """Of those in flight, and of those by which the counter moved."""
    item = Item("Team/App", "Pipeline", next_build_number)
    now = {("team/app", number): BuildKey(number, 10, queue) for number, queue in running.items()}
    mark = JobProgress(5, 6, frozenset(in_flight))
    assert needs_collecting(item, mark, now, 0) is news
    assert needs_collecting(item, mark, None, 0) is (next_build_number != 6 or bool(in_flight))
    noted = {start.number for start in started_builds(item, mark, now, 0)}
    assert noted <= {number for number, queue in running.items() if queue} - in_flight
    if not news:
        assert noted | in_flight >= set(range(6, next_build_number))
    assert started_builds(item, mark, now, 11) == []


def test_a_build_that_begins_during_a_poll_waits_for_nothing(site: Site) -> None:
    """The executors were asked before it began: that it holds none there says nothing."""
    job = site.jenkins.job("app", kind="freestyle")
    job.build()
    begun = []

    def begin(usual: Answer) -> Answer:
        begun.append(job.start())
        return usual

    site.jenkins.faults.append(Fault("/computer/*", Answer(None, change=begin), times=1))
    site.run("once")
    assert books(site) == (1, 0, {})
    begun[0].finish()
    assert asked(site) == ["/job/app/api/json"]
    assert sent(site) == [1, 2]
