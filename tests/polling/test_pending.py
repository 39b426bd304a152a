"""Builds that are asked for again: how often, when, and what of it is sent at last."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.config.load import load
from poller.context import open_context
from poller.ledger.records import Pending, PendingKind
from poller.polling.cycle import poll
from poller.polling.pending import LONGEST_WAIT_MS, POLICIES, another_look, is_due
from tests.support.jenkins_restore import restart
from tests.support.odd_answers import change_next, with_wrong_type
from tests.support.site import Site

NOW = 1_700_000_000_000
BOUNDED = [kind for kind, policy in POLICIES.items() if policy.tries is not None]

times = st.integers(0, 2 * NOW)


@pytest.mark.parametrize("kind", BOUNDED)
def test_looks_are_counted_and_end(kind: PendingKind) -> None:
    """With waits that grow; where it began is kept."""
    before, now, waits = None, NOW, list[int]()
    while (before := another_look(before, kind, "why", now)) is not None:
        assert (before.since, before.tries) == (NOW, len(waits) + 1)
        waits.append(before.retry_at - now)
        now = before.retry_at
    policy = POLICIES[kind]
    assert len(waits) + 1 == policy.tries
    for place, wait in enumerate(waits):
        whole = min(policy.longest, policy.first * 2**place)
        assert 500 * whole <= wait <= 1000 * whole


def test_a_build_that_hangs_is_looked_at_for_ever() -> None:
    """Ever later, and never given up."""
    before = another_look(None, "unfinished", "why", NOW)
    for _ in range(100):
        assert before is not None
        before = another_look(before, "unfinished", "why", NOW)
    assert before is not None
    assert before.retry_at - NOW >= 1000 * POLICIES["unfinished"].longest / 2


@given(tries=st.integers(0, 100), before=st.sampled_from(BOUNDED), kind=st.sampled_from(BOUNDED))
def test_another_reason_has_tries_of_its_own(
    tries: int, before: PendingKind, kind: PendingKind
) -> None:
    """And a look at which nothing was asked costs none."""
    old = Pending(before, tries, 1, 2, "old")
    again = another_look(old, kind, "new", NOW)
    if before != kind:
        assert again is not None
        assert (again.kind, again.tries, again.since, again.why) == (kind, 1, NOW, "new")
    else:
        assert (again is None) is (tries + 1 >= (POLICIES[kind].tries or 0))
    spared = another_look(old, before, "new", NOW, counts=False)
    assert spared is None or spared.tries == tries


@given(retry_at=times, now=times)
def test_no_clock_puts_a_look_off_for_longer_than_the_longest_wait(retry_at: int, now: int) -> None:
    """It is due from its time on, and where its time lies absurdly far ahead."""
    pending = Pending("absent", 1, 0, retry_at, "")
    assert is_due(pending, now) is (retry_at <= now or retry_at > now + LONGEST_WAIT_MS)
    assert is_due(pending, retry_at)


def sent(site: Site, job: str = "app") -> list[tuple[int, str]]:
    """Number and result of what SEI received of a job, sorted."""
    runs = [run for run in site.sei.received if run["job_full_name"] == job]
    return sorted((run["build_number"], run["result"]) for run in runs)


def numbers(site: Site, job: str = "app") -> list[int]:
    """The same, numbers alone."""
    return [number for number, _ in sent(site, job)]


def in_flight(site: Site) -> int:
    """How many builds the ledger has in flight."""
    return int(site.read("status")["controllers"][0]["in_flight"])


def test_scheduled_and_not_begun_is_in_flight_and_holds_nobody_up(site: Site) -> None:
    """A Jenkinsfile that is fetched for long: ``building``, and not ``inProgress``."""
    job = site.jenkins.job("app")
    job.build()
    site.run("once")
    slow = job.start().fetch()
    for _ in range(6):
        job.build()
        assert site.run("once").returncode == 0
        site.look_again()
    assert numbers(site) == [1, 3, 4, 5, 6, 7, 8]
    assert in_flight(site) == 1
    slow.begin()
    site.run("once")
    slow.finish("FAILURE", duration=480_000)
    site.run("once")
    assert (2, "FAILURE") in sent(site)
    assert in_flight(site) == 0


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("result", ["SUCCESS", "UNSTABLE", None])
def test_a_preliminary_end_is_not_sent(site: Site, result: str | None, *, seen: bool) -> None:
    """Whether it is among what runs or no longer; nothing is wrong meanwhile."""
    job = site.jenkins.job("app")
    job.build()
    build = job.start()
    site.run("once")
    build.approach_end(result)
    if not seen:
        site.jenkins.running.pop(build)
    assert site.run("once").returncode == 0
    site.look_again(2)
    assert numbers(site) == [1]
    assert in_flight(site) == 1
    build.finish("FAILURE", duration=8_168)
    site.look_again()
    assert sent(site) == [(1, "SUCCESS"), (2, "FAILURE")]
    assert site.sei.received[-1]["duration"] == 8_168


def test_one_that_is_saved_for_long_is_not_believed_while_it_runs(site: Site) -> None:
    """Looks are counted against what holds no executor any more."""
    job = site.jenkins.job("app")
    build = job.start().approach_end("SUCCESS")
    site.run("once")
    for _ in range(8):
        job.build()
        site.look_again()
    assert numbers(site) == [2, 3, 4, 5, 6, 7, 8, 9]
    build.finish("FAILURE", duration=8_168)
    site.look_again()
    assert sent(site)[0] == (1, "FAILURE")


def test_looks_are_counted_while_a_first_look_is_held_back(site: Site) -> None:
    """A counter that was set promises a number that no answer has; what else waits, counts on."""
    job = site.jenkins.job("app")
    job.start().finish("FAILURE", post_production=True)
    job.next_build_number += 404
    site.run("once")
    assert numbers(site) == []
    site.look_again(4)
    assert sent(site) == [(1, "FAILURE")]


def test_looks_are_counted_when_the_list_no_longer_reaches_down_to_it(site: Site) -> None:
    """It holds its executor for long, and a newer build is settled: asked by its number, a bounded
    number of times."""
    job = site.jenkins.job("app")
    build = job.start()
    job.build()
    job.next_build_number += 404
    site.run("once")
    build.finish("FAILURE", post_production=True)
    site.look_again(8)
    assert sorted(sent(site)) == [(1, "FAILURE"), (2, "SUCCESS")]
    site.jenkins.requests.clear()
    assert site.run("once").returncode == 0
    assert len(site.jenkins.requests) == 2


def test_one_that_was_killed_at_its_end_is_sent_as_it_stays(site: Site) -> None:
    """After some looks, as its record is that for ever."""
    job = site.jenkins.job("app")
    job.build()
    build = job.start()
    site.run("once")
    build.approach_end("FAILURE")
    restart(site.jenkins)
    site.run("once")
    assert numbers(site) == [1]
    site.look_again(5)
    assert sent(site) == [(1, "SUCCESS"), (2, "FAILURE")]
    assert in_flight(site) == 0


def test_one_that_was_killed_at_its_end_and_has_no_stage_tree(site: Site) -> None:
    """The looks for one reason come after those for the other, and both end."""
    build = site.jenkins.job("app").start()
    build.approach_end("FAILURE")
    restart(site.jenkins)
    for path in ("/job/app/1/wfapi/*", "/job/app/wfapi/runs"):
        site.jenkins.fail(path, status=500)
    site.run("once")
    site.look_again(8)
    assert sent(site) == [(1, "FAILURE")]
    assert in_flight(site) == 0


def test_one_that_is_broken_and_has_no_duration(site: Site) -> None:
    """It is skipped in the end, and not looked at for ever."""
    build = site.jenkins.job("app").start()
    build.approach_end("FAILURE")
    restart(site.jenkins)
    build.timestamp = 0
    site.run("once")
    site.look_again(5)
    (row,) = site.read("status")["controllers"]
    assert (row["in_flight"], row["skipped_because"]) == (0, {"broken": 1})


def test_one_whose_record_stays_odd_is_given_up(site: Site) -> None:
    """Whatever else each look says of it, and whatever is built after it."""
    for _ in range(2):
        site.jenkins.job("app").build()
    change_next(site.jenkins, "/job/app/*api/json*", with_wrong_type("duration"), None)

    async def looks() -> list[list[int]]:
        async with open_context(load(site.config, site.environ), site.environ) as context:
            (controller,) = context.controllers
            waiting = []
            for look in range(9):
                if look == 8:
                    site.jenkins.job("app").build()
                context.ledger.jobs.ask_now(None)
                await poll(controller)
                job = context.ledger.jobs.states(controller.row().id)["app"]
                waiting.append(sorted(job.progress.pending))
            return waiting

    assert asyncio.run(looks()) == [[1, 2]] * 4 + [[]] * 4 + [[3]]


def test_a_stage_tree_that_always_fails_costs_its_build_alone(site: Site) -> None:
    """It goes without after five looks, and is counted; the others of its job go at once."""
    job = site.jenkins.job("app")
    for _ in range(5):
        job.build()
    for path in ("/job/app/3/wfapi/*", "/job/app/wfapi/runs"):
        site.jenkins.fail(path, status=500)
    result = site.run("once")
    assert result.returncode == 75
    assert "app #3" in result.stdout
    assert numbers(site) == [1, 2, 4, 5]
    for look in range(2, 6):
        assert 3 not in numbers(site), look
        newest = job.build().number
        site.look_again()
        assert newest in numbers(site)
    assert numbers(site) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    (row,) = site.read("status")["controllers"]
    assert row["in_flight"] == 0
    assert row["incomplete"]["count"] == 1
    site.jenkins.requests.clear()
    assert site.run("once").returncode == 0
    assert [r.path for r in site.jenkins.requests] == ["/api/json", "/computer/api/json"]


def test_a_pipeline_that_resumes_is_the_same(site: Site) -> None:
    """Same number and start, another queue id and session; the job is not created anew."""
    job = site.jenkins.job("app")
    for _ in range(3):
        job.build()
    build = job.start()
    site.run("once")
    before = build.queue_id
    for _ in range(3):
        restart(site.jenkins)
        assert site.run("once").returncode == 0
    assert build.queue_id != before
    build.finish("UNSTABLE")
    site.run("once")
    job.build()
    restart(site.jenkins)
    site.run("once")
    assert numbers(site) == [1, 2, 3, 4, 5]
    assert site.run("reconcile").returncode == 0


def test_an_excluded_job_closes_what_is_in_flight_and_opens_it_again(site: Site) -> None:
    """With the reason; what ended meanwhile is sent when the job is selected again."""
    job = site.jenkins.job("app")
    job.build()
    build = job.start()
    site.run("once")
    site.configure(site.controller(exclude=["app"]))
    site.run("once")
    (row,) = site.read("status")["controllers"]
    assert (row["in_flight"], row["skipped_because"]) == (0, {"excluded": 1})
    build.finish("FAILURE")
    site.run("once")
    assert numbers(site) == [1]
    site.configure()
    site.run("once")
    assert sent(site) == [(1, "SUCCESS"), (2, "FAILURE")]
    assert site.read("status")["controllers"][0]["skipped_because"] == {}
