"""What answers lack: it is awaited before it is believed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.core.build_key import BuildKey
from poller.jenkins.client import BUILDS_PER_PAGE
from poller.ledger.records import JobProgress, Pending, PendingKind
from poller.polling.absence import MOST_AWAITED, absent_numbers, newest_lost, promised_number
from tests.support.jenkins_restore import backup, replica, restore
from tests.support.odd_answers import AnswersOf, answer_empty, change_next, without
from tests.support.site import Site

number = st.integers(1, 60)
few = st.sets(number, max_size=8)


def key(of: int) -> BuildKey:
    """A build's start, from its number."""
    return BuildKey(of, 1_000 + of, of)


def test_a_job_that_comes_back_after_many_builds_keeps_its_numbers(site: Site) -> None:
    """None of those that one answer shows was built under the name that it has again."""
    collected(site, job="team/app")
    site.jenkins.rename("team/app", "attic/app")
    site.run("once")
    for _ in range(BUILDS_PER_PAGE + 10):
        site.jenkins.job("attic/app").build()
    site.run("once")
    site.jenkins.rename("attic/app", "team/app")
    site.jenkins.job("team/app").build()
    site.run("once")
    last = 3 + BUILDS_PER_PAGE + 11
    assert sorted(sent(site, "attic/app")) == list(range(4, last))
    assert sorted(sent(site, "team/app")) == [1, 2, 3, last]


@st.composite
def progresses(draw: st.DrawFn) -> JobProgress:
    """What may be known of a job that was collected before."""
    examined = draw(st.integers(0, 50))
    kinds = st.sampled_from(list[PendingKind](["absent", "incomplete", "preliminary"]))
    pending = draw(st.dictionaries(number, kinds, max_size=5))
    newest = draw(st.none() | st.integers(1, 60).map(key))
    looks = {n: Pending(kind, 1, 0, 0, "") for n, kind in pending.items()}
    return JobProgress(examined, examined + 1, frozenset(draw(few)), newest, looks)


@given(progress=progresses(), next_build_number=st.integers(1, 80), shown=few)
def test_what_an_answer_lacks(
    progress: JobProgress, next_build_number: int, shown: set[int]
) -> None:
    """Nothing that it shows, nothing below its oldest build but the newest known, a bounded number
    of holes; and always what is in flight, awaited, or promised."""
    absent = absent_numbers(progress, next_build_number, shown)
    top, lowest = max(shown, default=0), min(shown, default=1)
    assert absent == sorted(set(absent), reverse=True)
    assert not shown.intersection(absent)
    newest = progress.newest.number if progress.newest else 0
    assert all(one >= lowest or one == newest for one in absent)
    promised = promised_number(progress, next_build_number)
    assert max(absent, default=0) <= max(promised, top, *progress.in_flight, *progress.pending)
    awaited = {n for n, one in progress.pending.items() if one.kind == "absent"}
    for one in (progress.in_flight | awaited) - shown:
        assert (one in absent) or one < lowest
    if promised > max(top, progress.examined):
        assert promised in absent
    known = progress.in_flight | awaited | {promised, newest}
    assert len(set(absent) - known) <= MOST_AWAITED


def test_holes_below_the_newest_are_awaited_the_newest_first() -> None:
    """A job that was never collected has none: its history may have any."""
    shown = {100, 10}
    progress = JobProgress(9, 10)
    assert absent_numbers(progress, 101, shown) == list(range(99, 99 - MOST_AWAITED, -1))
    assert absent_numbers(JobProgress(), 101, shown) == []
    assert absent_numbers(JobProgress(), 102, shown) == [101]


@pytest.mark.parametrize(
    ("progress", "next_build_number", "promised"),
    [
        (JobProgress(), 1, 0),
        (JobProgress(), 5, 4),
        (JobProgress(3, 4), 6, 5),
        (JobProgress(7, 8), 6, 7),
        (JobProgress(3, 4, newest=key(9)), 6, 9),
    ],
)
def test_the_highest_number_used(
    progress: JobProgress, next_build_number: int, promised: int
) -> None:
    """By the counter, or by what is known where that went back."""
    assert promised_number(progress, next_build_number) == promised


@pytest.mark.parametrize(
    ("progress", "next_build_number", "shown", "lost"),
    [
        (JobProgress(3, 4, newest=key(3)), 3, {1, 2}, 3),
        (JobProgress(3, 4, newest=key(3)), 3, {}, 3),
        (JobProgress(3, 4, newest=key(3)), 3, {1, 2, 3}, None),
        (JobProgress(3, 4, newest=key(3)), 4, {1, 2}, None),
        (JobProgress(3, 4), 3, {1, 2}, None),
        (JobProgress(newest=key(3)), 3, {1, 2}, None),
    ],
)
def test_the_newest_known_is_lost_only_where_the_counter_went_back(
    progress: JobProgress, next_build_number: int, shown: set[int], lost: int | None
) -> None:
    """And no answer has it."""
    assert newest_lost(progress, next_build_number, shown) == lost


def sent(site: Site, job: str = "app") -> list[int]:
    """The numbers that SEI received of a job, in that order."""
    return [run["build_number"] for run in site.sei.received if run["job_full_name"] == job]


def row(site: Site) -> dict[str, Any]:
    """What `status` says of the controller."""
    (found,) = site.read("status")["controllers"]
    return dict(found)


def collected(site: Site, count: int = 3, job: str = "app") -> None:
    """A job with so many builds, sent."""
    for _ in range(count):
        site.jenkins.job(job).build()
    assert site.run("once").returncode == 0


def test_one_list_that_lags(site: Site) -> None:
    """The newest build is not in it yet: awaited, and sent at the next look."""
    collected(site)
    site.jenkins.job("app").build()
    change_next(site.jenkins, "/job/app/api/json", without(4))
    result = site.run("once")
    assert result.returncode == 75
    assert "app #4: no answer has it yet" in result.stdout
    assert (sent(site), row(site)["gaps"]) == ([1, 2, 3], 0)
    site.look_again()
    assert (sent(site), row(site)["gaps"]) == ([1, 2, 3, 4], 0)


def test_a_list_that_lags_while_others_are_built(site: Site) -> None:
    """A hole in the middle is awaited too; what is above it goes at once."""
    collected(site)
    for _ in range(3):
        site.jenkins.job("app").build()
    change_next(
        site.jenkins,
        "/job/app/api/json",
        lambda answer: {**answer, "builds": [b for b in answer["builds"] if b["number"] != 5]},
    )
    site.run("once")
    assert sent(site) == [1, 2, 3, 4, 6]
    site.look_again()
    assert (sent(site), row(site)["gaps"]) == ([1, 2, 3, 4, 6, 5], 0)


@pytest.mark.parametrize("path", ["/job/app/api/json", "/api/json", "/computer/api/json"])
def test_one_empty_object(site: Site, path: str) -> None:
    """A key that was asked for and is not there is a bad answer, not an absence."""
    collected(site)
    site.jenkins.job("app").build()
    answer_empty(site.jenkins, path)
    site.run("once")
    site.look_again()
    assert (sent(site), row(site)["gaps"]) == ([1, 2, 3, 4], 0)


def test_a_number_that_no_answer_ever_has_is_believed_gone(site: Site) -> None:
    """After some looks, and counted; nothing else waits for it."""
    collected(site)
    site.jenkins.job("app").build()
    site.jenkins.job("app").delete_build(4)
    site.run("once")
    assert row(site)["gaps"] == 0
    site.jenkins.job("app").build()
    site.look_again()
    assert sent(site) == [1, 2, 3, 5]
    site.look_again(4)
    assert row(site)["gaps"] == 1
    site.jenkins.requests.clear()
    assert site.run("once").returncode == 0
    assert [one.path for one in site.jenkins.requests] == ["/api/json", "/computer/api/json"]


def test_a_build_in_flight_that_vanishes_is_awaited_then_gone(site: Site) -> None:
    """One that is there after all is sent, before and after it was held for gone."""
    job = site.jenkins.job("app")
    collected(site)
    first, second = job.start(), job.start()
    site.run("once")
    hidden = {number: job.builds.pop(number) for number in (4, 5)}
    for build in hidden.values():
        site.jenkins.running.pop(build)
    site.run("once")
    assert (row(site)["in_flight"], row(site)["skipped_because"]) == (2, {})
    site.look_again(2)
    assert row(site)["in_flight"] == 2
    job.builds[4] = first
    first.finish()
    site.look_again()
    assert sent(site) == [1, 2, 3, 4]
    site.look_again()
    assert (row(site)["in_flight"], row(site)["skipped_because"]) == (0, {"gone": 1})
    job.builds[5] = second
    second.finish()
    job.build()
    site.run("once")
    assert sorted(sent(site)) == [1, 2, 3, 4, 5, 6]
    assert row(site)["skipped_because"] == {}


def test_a_build_in_flight_of_a_job_that_is_gone_while_another_is_awaited(site: Site) -> None:
    """Nothing of a job stays in flight for ever, whatever else of it had to be asked again."""
    collected(site, job="web")
    job = site.jenkins.job("app")
    job.start()
    job.next_build_number += 1
    site.run("once")
    assert row(site)["in_flight"] == 1
    site.jenkins.remove("app")
    site.look_again(8)
    assert (row(site)["in_flight"], row(site)["skipped_because"]) == (0, {"gone": 1})


def test_builds_that_were_sent_and_resume_under_another_name(site: Site) -> None:
    """After a restore they have other queue ids; SEI keeps the runs that it has, under the old
    name."""
    job, start = site.jenkins.job("web"), site.jenkins.clock() - 60_000
    older = job.start(timestamp=start)
    job.build(timestamp=start + 1)
    newer = job.start(timestamp=start + 2)
    saved = backup(site.jenkins)
    for build in (older, newer):
        build.finish("SUCCESS")
    site.jenkins.job("app").build()
    site.run("once")
    assert (sorted(sent(site, "web")), sent(site)) == ([1, 2, 3], [1])
    restore(site.jenkins, saved)
    site.jenkins.rename("web", "app")
    site.look_again(2)
    for build in list(site.jenkins.running):
        build.finish("FAILURE")
    site.jenkins.job("app").build()
    site.look_again(2)
    assert (sorted(sent(site, "web")), sent(site)) == ([1, 2, 3], [1, 5])
    assert row(site)["in_flight"] == 0


@pytest.mark.parametrize("path", ["/api/json", "*"])
def test_a_counter_that_goes_back_once_changes_nothing(site: Site, path: str) -> None:
    """A tree of two builds ago, or all answers of one poll: no generation, no number at SEI."""
    collected(site)
    lagging = replica(site.jenkins, backup(site.jenkins))
    collected(site, 2)
    site.jenkins.faults.append(AnswersOf(path, lagging, 1 if path == "/api/json" else 100))
    site.run("once")
    site.jenkins.clear_faults()
    site.jenkins.job("app").build()
    site.look_again(2)
    site.jenkins.job("app").build()
    site.run("once")
    assert sent(site) == [1, 2, 3, 4, 5, 6, 7]
    assert (row(site)["gaps"], site.run("reconcile").returncode) == (0, 0)


def test_a_job_that_was_restored_goes_on_after_the_looks(site: Site) -> None:
    """Its newest builds are really gone: their numbers are used anew, and go on at SEI."""
    collected(site)
    saved = backup(site.jenkins)
    collected(site, 2)
    restore(site.jenkins, saved)
    site.run("once")
    site.look_again(5)
    assert sent(site) == [1, 2, 3, 4, 5]
    site.jenkins.job("app").build()
    site.jenkins.job("app").build()
    site.run("once")
    assert sent(site) == [1, 2, 3, 4, 5, 9, 10]
    assert site.run("reconcile").returncode == 0


def test_a_restored_job_that_builds_at_once(site: Site) -> None:
    """The same number with another start says it at the first look."""
    collected(site)
    saved = backup(site.jenkins)
    collected(site, 2)
    restore(site.jenkins, saved)
    for _ in range(3):
        site.jenkins.job("app").build()
    site.run("once")
    assert len(sent(site)) == len(set(sent(site))) == 8
    assert site.run("reconcile").returncode == 0


@pytest.mark.parametrize("runs", [True, False])
def test_a_job_that_was_moved_there_and_back_keeps_its_numbers(site: Site, *, runs: bool) -> None:
    """Also where a build runs meanwhile: what it is called decides, and the number is Jenkins'."""
    collected(site, job="team/app")
    build = site.jenkins.job("team/app").start() if runs else None
    site.run("once")
    site.jenkins.rename("team/app", "attic/app")
    site.run("once")
    site.jenkins.job("attic/app").build()
    site.run("once")
    site.jenkins.rename("attic/app", "team/app")
    site.run("once")
    site.jenkins.job("team/app").build()
    if build is not None:
        build.finish()
    site.look_again(2)
    there = 5 if runs else 4
    assert sent(site, "attic/app") == [there]
    assert sorted(sent(site, "team/app")) == [n for n in range(1, there + 2) if n != there]
    assert (row(site)["in_flight"], site.run("reconcile").returncode) == (0, 0)
