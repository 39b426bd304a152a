"""`backfill`: history, beside the polls and apart from their marks."""

from __future__ import annotations

import signal
import time
from collections import Counter
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from poller.polling.backfill import Window, left, together_with
from tests.support.site import Site
from tests.support.waiting import wait_for

DAY_MS = 86_400_000


def days_ago(days: int) -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000 - days * DAY_MS


def sent(site: Site, job: str = "app") -> list[int]:
    """The numbers of a job's runs as SEI received them, in that order."""
    return [run["build_number"] for run in site.sei.received if run["job_full_name"] == job]


def received_more_than(site: Site, count: int) -> bool:
    """Whether SEI has so many runs."""
    return len(site.sei.received) > count


def old_builds(site: Site, count: int = 30, job: str = "app", kind: str = "pipeline") -> None:
    """A build a day, the last one today."""
    for age in range(count - 1, -1, -1):
        site.jenkins.job(job, kind=kind).build(timestamp=days_ago(age) - 60_000)


def test_history_before_the_polls_begin_is_collected_once(site: Site) -> None:
    """Oldest first; the polls have their own part, and neither doubles the other's."""
    site.configure(site.controller(since="7d"))
    old_builds(site)
    assert site.run("once").returncode == 0
    assert len(sent(site)) == 7
    result = site.run("backfill", "--since", "20d")
    assert result.returncode == 0, result.stderr
    assert "13 builds collected" in result.stdout
    assert list(range(11, 24)) == sent(site)[7:]
    assert site.run("once").returncode == 0
    assert site.run("backfill", "--since", "20d").returncode == 0
    assert len(site.sei.received) == 20


def test_alone_on_a_fresh_ledger(site: Site) -> None:
    """And the polls that come later send nothing twice."""
    site.configure(site.controller(since="7d"))
    old_builds(site)
    assert site.run("backfill", "--since", "30d").returncode == 0
    assert list(range(1, 31)) == sent(site)
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 30


def test_until_bounds_it(site: Site) -> None:
    """Builds that started later are left to the polls."""
    site.configure(site.controller(since="1d"))
    old_builds(site)
    assert site.run("backfill", "--since", "20d", "--until", "10d").returncode == 0
    assert list(range(11, 21)) == sent(site)


def test_a_job_that_is_done_costs_little_the_second_time(site: Site) -> None:
    """Its window is remembered: only what came since is asked for."""
    old_builds(site, 230, kind="freestyle")
    site.run("backfill", "--since", "all")
    assert list(range(1, 231)) == sent(site)
    before = site.jenkins.builds_loaded
    site.jenkins.requests.clear()
    assert site.run("backfill", "--since", "all").returncode == 0
    assert len(site.jenkins.requests) == 2
    assert site.jenkins.builds_loaded - before <= 100
    assert len(site.sei.received) == 230


def test_globs_and_controllers_choose(site: Site) -> None:
    """What the config leaves out stays out."""
    site.configure(site.controller(exclude=["secret/**"]))
    for job in ("team/app", "team/web", "other", "secret/app"):
        old_builds(site, 1, job)
    site.run("backfill", "--since", "all", "--job", "team/*", "--job", "secret/**")
    assert {"team/app", "team/web"} == {run["job_full_name"] for run in site.sei.received}
    result = site.run("backfill", "--since", "all", "--controller", "nope")
    assert result.returncode == 64
    assert "there are: main" in result.stderr


def test_dry_run_says_how_many_builds_it_would_be_and_does_nothing(site: Site) -> None:
    """What is in the ledger already is not counted."""
    site.configure(site.controller(since="7d"))
    old_builds(site)
    site.run("once")
    site.jenkins.requests.clear()
    plan = site.read("backfill", "--since", "all", "--dry-run")
    assert (plan["controllers"][0]["builds"], plan["controllers"][0]["jobs"]) == (23, 1)
    assert len(site.sei.received) == 7
    assert len(site.jenkins.requests) == 2
    site.run("backfill", "--since", "all")
    assert len(site.sei.received) == 7 + 23


def test_stopped_and_started_again_it_loses_and_doubles_nothing(site: Site) -> None:
    """SIGINT ends it in order; a SIGKILL loses nothing either."""
    for job in ("a", "b", "c", "d", "e", "f"):
        old_builds(site, 40, job)
    site.configure(site.controller(since="1d", max_connections=1))
    site.jenkins.fail(status=None, delay=0.02)
    for number in (signal.SIGINT, signal.SIGKILL):
        before = len(site.sei.received)
        with site.start("backfill", "--since", "all") as process:
            wait_for(partial(received_more_than, site, before + 5))
            process.send_signal(number)
            process.communicate(timeout=60)
        assert process.returncode in (75, -number)
    site.jenkins.clear_faults()
    assert 0 < len(site.sei.received) < 240
    assert site.run("backfill", "--since", "all").returncode == 0
    counts = Counter((r["job_full_name"], r["build_number"]) for r in site.sei.received)
    assert len(counts) == 240
    # The SIGKILL may have come between an answer and its commit.
    assert sum(counts.values()) <= 240 + 4
    assert len({run["execution_id"] for run in site.sei.received}) == 240


def test_beside_the_service_nothing_blocks_and_nothing_is_doubled(site: Site) -> None:
    """The service delivers what the backfill collects, or the other way round."""
    site.configure(site.controller(since="1d", every="1s"))
    for job in ("a", "b", "c"):
        old_builds(site, 60, job, "freestyle")
    with site.start("run") as service:
        result = site.run("backfill", "--since", "all")
        assert result.returncode == 0, result.stderr
        site.jenkins.job("a", kind="freestyle").build()
        wait_for(lambda: len(site.sei.received) >= 181)
        service.terminate()
        service.communicate(timeout=60)
    counts = Counter((r["job_full_name"], r["build_number"]) for r in site.sei.received)
    assert len(counts) == 181
    assert set(counts.values()) == {1}


def test_builds_that_run_are_left_to_the_polls(site: Site) -> None:
    """However old; and a later backfill finds them where no poll ever ran."""
    running = site.jenkins.job("app").start(timestamp=days_ago(30))
    site.configure(site.controller(since="1d"))
    site.run("backfill", "--since", "all")
    assert site.sei.received == []
    running.finish()
    assert site.run("backfill", "--since", "all").returncode == 0
    assert sent(site) == [1]


def test_a_bad_answer_about_one_job_is_named_and_made_good_later(site: Site) -> None:
    """Exit 75; the others are collected."""
    for job in ("good", "bad"):
        old_builds(site, 3, job)
    site.jenkins.fail("/job/bad/api/*", status=500)
    result = site.run("backfill", "--since", "all")
    assert result.returncode == 75
    assert "bad" in result.stdout
    site.jenkins.clear_faults()
    assert site.run("backfill", "--since", "all").returncode == 0
    assert len(site.sei.received) == 6


def test_wrong_usage_is_one_sentence(site: Site) -> None:
    """Exit 64; a controller that is down: 69."""
    for arguments in (["--since", "yesterday"], ["--since", "1d", "--until", "2d"], []):
        result = site.run("backfill", *arguments)
        assert result.returncode == 64, result.stderr
    site.jenkins_server.stop()
    assert site.run("backfill", "--since", "all").returncode == 69
    assert site.run("backfill", "--since", "all", "--dry-run").returncode == 69


moments = st.integers(0, 50)
windows = st.tuples(moments, moments).filter(lambda w: w[0] < w[1]).map(lambda w: Window(*w))


@given(windows, st.none() | windows, moments)
def test_no_moment_of_a_window_is_left_out(wanted: Window, done: Window | None, at: int) -> None:
    """What was done and what is left is at least what was wanted; what is noted is no more."""
    rest = left(wanted, done)
    in_done = done is not None and done.since <= at < done.until
    in_rest = rest is not None and rest.since <= at < rest.until
    if wanted.since <= at < wanted.until:
        assert in_done or in_rest
    if rest is not None:
        noted = together_with(rest, done)
        if noted.since <= at < noted.until:
            assert in_done or in_rest


def test_a_job_created_anew_is_walked_whole(site: Site) -> None:
    """Also when the backfill is the first to see it; the next one ends what is left."""
    site.configure(site.controller(since="1d"))
    old_builds(site, 6)
    site.run("once")
    site.run("backfill", "--since", "all")
    site.jenkins.job("app").recreate()
    old_builds(site, 6)
    for _ in range(2):
        assert site.run("backfill", "--since", "all").returncode == 0
    assert site.run("once").returncode == 0
    assert list(range(1, 13)) == sorted(sent(site))
    assert site.run("reconcile", "--since", "all").returncode == 0
