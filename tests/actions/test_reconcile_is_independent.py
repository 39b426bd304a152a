"""`reconcile` assumes nothing that the collector assumes: whatever mistake that made, it is found.

Each test makes a good ledger with the real program, and then leaves in it what a collector with one
mistake would have left: builds that were never recorded below marks that say that they were.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from poller.config.load import load
from poller.context import open_context
from poller.polling.self_check import SelfCheckResult, self_check
from tests.support.lost_builds import HOUR_MS, build_old, hours_ago, lose
from tests.support.odd_answers import JSON, change_next, without
from tests.support.site import Site

NOT_THERE = "not in the ledger"
A_YEAR_MS = 365 * 24 * HOUR_MS

Wronged = Mapping[int, str]
"""Of the job ``app``: the numbers that the mistake cost, and why each is missing."""


def spoil(site: Site, *statements: str) -> None:
    """Change the ledger as a mistaken collector would have."""
    with sqlite3.connect(site.ledger) as conn:
        for statement in statements:
            conn.execute(statement)
    conn.close()


def pass_over(site: Site, where: str) -> None:
    """Builds that were never recorded; the marks of their jobs are beyond them all the same."""
    lose(site, where)
    newest = "from build b where b.job = job.id order by number desc limit 1"
    columns = ("number", "timestamp", "queue_id")
    values = ", ".join(f"newest_{one} = (select {one} {newest})" for one in columns)
    spoil(site, f"update job set {values}", "delete from pending")


def a_list_that_lags(site: Site) -> Wronged:
    """One answer, in which the newest build is not there yet, was believed."""
    build_old(site, 5)
    site.run("once")
    pass_over(site, "number = 5")
    spoil(site, "update job set gaps = gaps + 1")
    return {5: NOT_THERE}


def an_empty_list(site: Site) -> Wronged:
    """`{}` or `{"builds":[]}` was believed: all new builds are passed over, and no gap counted."""
    build_old(site, 6)
    site.run("once")
    pass_over(site, "number > 3")
    return dict.fromkeys((4, 5, 6), NOT_THERE)


def a_build_not_listed_once(site: Site) -> Wronged:
    """A build in flight was given up at the first look that did not show it."""
    build_old(site, 3)
    build = site.jenkins.job("app").start(timestamp=hours_ago(6))
    site.run("once")
    build.finish(duration=HOUR_MS)
    spoil(site, "update build set state = 'skipped', reason = 'gone' where number = 4")
    return {4: "skipped: gone"}


def a_build_forgotten_in_flight(site: Site) -> Wronged:
    """What runs was looked for among the newest only."""
    build = site.jenkins.job("app").start(timestamp=hours_ago(20))
    build_old(site, 3)
    site.run("once")
    build.finish(duration=HOUR_MS)
    return {1: "in flight in the ledger"}


def one_odd_start(start: int, why: str = NOT_THERE) -> Callable[[Site], Wronged]:
    """The walk ended at a start that is out of order: the older builds are lost."""

    def made(site: Site) -> Wronged:
        site.configure(site.controller(since="7d"))
        build_old(site, 4)
        site.jenkins.job("app").build(timestamp=start)
        build_old(site, 3)
        site.run("once")
        pass_over(site, "number <= 5")
        return {**dict.fromkeys((1, 2, 3, 4), NOT_THERE), 5: why}

    return made


def a_first_look_at_an_odd_newest(site: Site) -> Wronged:
    """The newest build's start is not known: the job was held to have none since `since`."""
    site.configure(site.controller(since="7d"))
    build_old(site, 3)
    newest = site.jenkins.job("app").build(timestamp=0)
    site.run("once")
    pass_over(site, "1")
    newest.timestamp = hours_ago(9)  # Jenkins has loaded it whole by now
    return dict.fromkeys((1, 2, 3, 4), NOT_THERE)


def a_job_out_of_sight(site: Site) -> Wronged:
    """It spent minutes in a folder that is not watched, while a build ran and others came."""
    site.configure(site.controller(exclude=["attic/**"]))
    build_old(site, 2)
    running = site.jenkins.job("app").start(timestamp=hours_ago(9))
    site.run("once")
    site.jenkins.rename("app", "attic/app")
    site.run("once")
    running.finish(duration=HOUR_MS)
    site.jenkins.job("attic/app").build(timestamp=hours_ago(7))
    site.jenkins.rename("attic/app", "app")
    site.look_again()
    pass_over(site, "number = 3")
    spoil(site, "update build set state = 'skipped', reason = 'excluded' where number = 4")
    return {3: NOT_THERE, 4: "skipped: excluded"}


def a_build_not_begun(site: Site) -> Wronged:
    """Scheduled, neither building nor in progress for long: it was skipped as broken."""
    build_old(site, 2)
    build = site.jenkins.job("app").start(timestamp=hours_ago(8)).fetch()
    site.run("once")
    build.begin()
    build.finish(duration=HOUR_MS)
    spoil(site, "update build set state = 'skipped', reason = 'broken' where number = 3")
    return {3: "skipped: broken"}


def a_preliminary_end(site: Site) -> Wronged:
    """The record of a pipeline's last moments was sent."""
    build_old(site, 2)
    site.jenkins.job("app").build(result="FAILURE", duration=5165, timestamp=hours_ago(8))
    site.run("once")
    spoil(site, "update build set result = 'SUCCESS', duration = 0 where number = 3")
    return {3: "result FAILURE at Jenkins, SUCCESS in the ledger"}


def a_preliminary_duration(site: Site) -> Wronged:
    """The same, where the result was right already."""
    build_old(site, 2)
    site.jenkins.job("app").build(duration=5165, timestamp=hours_ago(8))
    site.run("once")
    spoil(site, "update build set duration = 0 where number = 3")
    return {3: "5165 ms at Jenkins, 0 ms in the ledger"}


def a_preliminary_result_that_is_skipped(site: Site) -> Wronged:
    """The same, where the result was one that is not sent."""
    site.configure(site.controller(), more='[sei.results]\nABORTED = "skip"\n')
    build_old(site, 2)
    site.jenkins.job("app").build(duration=5165, timestamp=hours_ago(8))
    site.run("once")
    spoil(
        site,
        "update build set result = 'ABORTED', duration = 0, state = 'skipped',"
        " reason = 'result ABORTED', build_number = null where number = 3",
        "delete from delivery where build = (select id from build where number = 3)",
        "delete from payload where build = (select id from build where number = 3)",
    )
    return {3: "skipped: result ABORTED; result SUCCESS at Jenkins, ABORTED in the ledger"}


def a_job_created_anew(site: Site) -> Wronged:
    """Up to the very same number, which no counter shows."""
    build_old(site, 3)
    site.run("once")
    site.jenkins.job("app").recreate()
    build_old(site, 3)
    site.run("once")
    return dict.fromkeys((1, 2, 3), NOT_THERE)


def one_bad_build(site: Site) -> Wronged:
    """It put its whole job off, again and again."""
    build_old(site, 5)
    site.run("once")
    pass_over(site, "number > 2")
    spoil(
        site,
        "update job set examined = 2, watermark = 2, next_build_number = 3, failures = 9,"
        f" retry_at = {hours_ago(0) + 600_000}",
    )
    return dict.fromkeys((3, 4, 5), "its job is put off until ")


def one_bad_page(site: Site) -> Wronged:
    """Builds that could not be had once were given up."""
    build_old(site, 4)
    site.run("once")
    lose(site, "number in (2, 3)")
    for number in (2, 3):
        spoil(
            site,
            "insert into build (job, generation, number, timestamp, duration, state, reason)"
            f" select id, generation, {number}, 0, 0, 'skipped', 'unreadable' from job",
        )
    return dict.fromkeys((2, 3), "skipped: unreadable")


def a_folder_that_failed(site: Site) -> Wronged:
    """The jobs in it were never noted."""
    build_old(site, 2, "other")
    site.run("once")
    build_old(site, 2)
    return dict.fromkeys((1, 2), NOT_THERE)


MISTAKES = [
    a_list_that_lags,
    an_empty_list,
    a_build_not_listed_once,
    a_build_forgotten_in_flight,
    one_odd_start(86_400_000),
    one_odd_start(hours_ago(0) - A_YEAR_MS, "before `since`"),
    one_odd_start(hours_ago(0) + A_YEAR_MS),
    a_first_look_at_an_odd_newest,
    a_job_out_of_sight,
    a_build_not_begun,
    a_preliminary_end,
    a_preliminary_duration,
    a_preliminary_result_that_is_skipped,
    a_job_created_anew,
    one_bad_build,
    one_bad_page,
    a_folder_that_failed,
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_a_mistaken_collector_lost_is_found_and_mended(
    site: Site, mistake: Callable[[Site], Wronged]
) -> None:
    """Exactly that, with why; by `reconcile` and by the self-check; then `--repair` mends it."""
    wronged = mistake(site)
    site.sei.received.clear()
    assert_found(site, wronged)
    checked = check_a_copy(site)
    assert {line.partition(": ")[0] for line in checked.differences} == {
        f"app #{number}" for number in wronged
    }
    repaired = site.run("reconcile", "--repair")
    assert repaired.returncode == 0, repaired.stdout
    assert len(site.sei.received) == len(wronged)
    proven = site.run("reconcile")
    assert proven.returncode == 0, proven.stdout


@pytest.mark.parametrize("queue_id", ["queue_id", "queue_id + 100"])
def test_a_job_taken_for_created_anew_is_found(site: Site, queue_id: str) -> None:
    """One tree with an old counter, or one of another Jenkins, or other queue ids after a restart:
    what came then has shifted numbers at SEI. The first is named; no repair can change them."""
    build_old(site, 12)
    site.run("once")
    spoil(
        site,
        "update job set generation = 1, number_offset = 10",
        "update build set generation = 1, build_number = number + 10,"
        f" queue_id = {queue_id} where number > 10",
    )
    site.sei.received.clear()
    for _ in range(2):
        (shift,) = site.read("reconcile")["differing"]
        assert (shift["number"], shift["why"].partition(", ")[0]) == (11, "#21 at SEI")
        shown = site.run("reconcile")
        assert (shown.returncode, "--repair" in shown.stdout) == (0, False)
        assert site.run("reconcile", "--repair").returncode == 0
    assert [line.partition(": ")[0] for line in check_a_copy(site).differences] == ["app #11"]
    assert site.sei.received == []


def test_a_list_that_is_old_itself_proves_nothing(site: Site) -> None:
    """Neither an old counter nor a list without the newest builds: the job counts as not compared,
    or is compared all the same."""
    for _ in range(120):
        site.jenkins.job("app", kind="freestyle").build(timestamp=hours_ago(9))
    site.run("once")
    pass_over(site, "number in (2, 120)")
    change_next(site.jenkins, "/api/json", with_counter(50))
    assert "app #2: not in the ledger" in site.run("reconcile").stdout
    change_next(site.jenkins, "/job/app/api/json", without(120), times=2)
    result = site.run("reconcile")
    assert "not compared: controller main: app: the list of its builds does not show #120" in (
        result.stdout
    )
    assert result.returncode == 75
    site.jenkins.fail("/job/app/api/json", status=200, body='{"builds":[]}', headers=JSON)
    assert site.run("reconcile").returncode == 75


def test_each_missing_build_is_told_with_why(site: Site) -> None:
    """What the polls look for again by themselves, and what nobody knows a reason for."""
    job = site.jenkins.job("app")
    build_old(site, 3)
    site.run("once")
    unended = job.start(timestamp=hours_ago(8))
    site.run("once")
    build_old(site, 2)
    job.build(timestamp=0)
    build_old(site, 1)
    site.jenkins.fail("/job/app/5/wfapi/*", status=500)
    change_next(site.jenkins, "/job/app/api/json", without(8))
    site.run("once")
    unended.finish(duration=HOUR_MS)
    lose(site, "number = 2")
    again = ", tried again at "
    assert_found(
        site,
        {
            2: NOT_THERE,
            4: "in flight in the ledger",
            5: f"incomplete{again}",
            7: f"unreadable{again}",
            8: f"awaited{again}",
        },
    )
    assert "`sei-poller now`, or `once --now`, asks at once" in site.run("reconcile").stdout
    site.configure(site.controller(exclude=["app"]))
    site.run("once")
    site.configure()
    found = {one["number"]: one["why"] for one in site.read("reconcile")["missing"]}
    assert {found[4], found[5]} == {"skipped: excluded"}


def with_counter(number: int) -> Callable[[Any], Any]:
    """An item tree whose jobs have counted up to there."""
    return lambda answer: {
        **answer,
        "jobs": [{**job, "nextBuildNumber": number} for job in answer["jobs"]],
    }


def assert_found(site: Site, wronged: Wronged) -> None:
    """`reconcile` names exactly these, with why, and exits with 1."""
    assert site.run("reconcile").returncode == 1
    answer = site.read("reconcile")
    found = {one["number"]: one for one in [*answer["missing"], *answer["differing"]]}
    assert found.keys() == wronged.keys()
    for number, why in wronged.items():
        assert found[number]["job"] == "app"
        assert found[number]["why"].startswith(why)


def check_a_copy(site: Site) -> SelfCheckResult:
    """What the service's own check finds; the ledger is then as it was."""
    kept = site.directory / "kept.db"
    shutil.copy(site.ledger, kept)

    async def check() -> SelfCheckResult:
        async with open_context(load(site.config, site.environ), site.environ) as context:
            return await self_check(context.controllers[0], 10)

    done = asyncio.run(check())
    for path in site.directory.glob("ledger.db*"):
        path.unlink()
    kept.rename(site.ledger)
    return done
