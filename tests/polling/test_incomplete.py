"""Runs that went without something: counted by reason, looked at again, and sent whole later."""

from __future__ import annotations

import sqlite3

from tests.support.site import Site

STAGES = "/job/app/2/wfapi/*"


def poisoned(site: Site) -> None:
    """A job whose second build's stage tree Jenkins can't give, ever."""
    for _ in range(3):
        site.jenkins.job("app").build()
    site.jenkins.fail(STAGES, status=500)
    site.jenkins.fail("/job/app/wfapi/runs", status=500)


def numbers(site: Site) -> list[int]:
    """What SEI has of it, in the order in which it came."""
    return [run["build_number"] for run in site.sei.received]


def test_one_bad_stage_tree_costs_its_build_alone(site: Site) -> None:
    """The others go at once; it goes without after five looks, and the reason is counted."""
    poisoned(site)
    result = site.run("once")
    assert result.returncode == 75
    assert "app #2" in result.stdout
    assert sorted(numbers(site)) == [1, 3]
    told = site.read("status")["controllers"][0]["pending"]
    assert told["counts"] == {"incomplete": 1}
    assert (told["oldest"][0]["number"], told["oldest"][0]["tries"]) == (2, 1)
    site.look_again(4)
    assert numbers(site)[2:] == [2]
    told = site.read("status")["controllers"][0]
    assert (told["incomplete"]["by_reason"], told["pending"]["counts"]) == ({"stages": 1}, {})
    assert "1 runs went without (1 stages)" in site.run("status").stdout


def test_a_poisoned_build_costs_few_requests_and_then_none(site: Site) -> None:
    """Of a job with many others: a bounded number a poll, none while it waits, none at the end."""
    for _ in range(300):
        site.jenkins.job("app").build()
    site.jenkins.fail("/job/app/300/wfapi/*", status=500)
    site.jenkins.fail("/job/app/wfapi/runs", status=500)
    site.run("once")
    assert len(numbers(site)) == 299
    site.jenkins.requests.clear()
    site.run("once")
    assert [r.path for r in site.jenkins.requests if r.path.startswith("/job/")] == []
    for _ in range(4):
        site.jenkins.requests.clear()
        site.look_again()
        assert len([r for r in site.jenkins.requests if r.path.startswith("/job/")]) <= 4
    assert len(numbers(site)) == 300
    site.jenkins.requests.clear()
    site.run("once")
    assert [r.path for r in site.jenkins.requests if r.path.startswith("/job/")] == []


def test_it_is_sent_whole_when_what_it_lacked_is_there(site: Site) -> None:
    """Under the same id, and it is looked at no more."""
    poisoned(site)
    site.run("once")
    site.look_again(4)
    site.jenkins.clear_faults()
    site.run("once")
    assert len(numbers(site)) == 3
    assert site.run("once", "--now").returncode == 0
    first, again = [run for run in site.sei.received if run["build_number"] == 2]
    assert (first["job_run"], first["execution_id"]) == (None, again["execution_id"])
    assert again["job_run"]["stages"]
    assert site.read("status")["controllers"][0]["incomplete"]["count"] == 0
    site.run("once", "--now")
    assert len(numbers(site)) == 4


def test_what_stays_so_is_looked_at_ever_later_and_for_a_week(site: Site) -> None:
    """A few a poll, and nothing is sent twice for it."""
    poisoned(site)
    site.run("once")
    site.look_again(4)
    for _ in range(2):
        site.run("once", "--now")
    assert len(numbers(site)) == 3
    with sqlite3.connect(site.ledger) as conn:
        ((tries, waits),) = conn.execute("select tries, retry_at > 0 from incomplete")
        assert (tries, waits) == (2, 1)
        conn.execute("update incomplete set until = 1")
    conn.close()
    site.run("once", "--now")
    with sqlite3.connect(site.ledger) as conn:
        assert conn.execute("select retry_at from incomplete").fetchall() == [(None,)]
    conn.close()


def test_a_log_that_comes_late_is_kept_and_nothing_is_sent_for_it(site: Site) -> None:
    """SEI has all that it gets already."""
    site.configure(site.controller(logs="all"))
    site.jenkins.job("app").build()
    site.jenkins.fail("/job/app/1/*onsoleText*", status=500)
    site.jenkins.fail("/job/app/1/*rogressiveText*", status=500)
    site.run("once")
    site.look_again(4)
    assert site.read("status")["controllers"][0]["incomplete"]["count"] == 1
    site.jenkins.clear_faults()
    assert site.run("once", "--now").returncode == 0
    assert site.read("status")["controllers"][0]["incomplete"]["count"] == 0
    assert numbers(site) == [1]
    assert site.run("logs", "app", "1").stdout
