"""`rejected` and `retry`: what SEI refused, in its own words, and back to the queue."""

from __future__ import annotations

import sqlite3

from tests.support.site import Site


def refused(site: Site, count: int = 2) -> None:
    """Runs that SEI refuses."""
    for _ in range(count):
        site.jenkins.job("team/app").build()
    site.sei.fail(status=422, body='{"error": "no such project"}', times=count)
    assert site.run("once").returncode == 0


def test_the_receivers_own_answer_is_kept(site: Site) -> None:
    """For people, and as JSON with promised keys."""
    assert "nothing was refused" in site.run("rejected").stdout if site.run("once") else None
    refused(site)
    text = site.run("rejected").stdout
    assert "main: team/app #1: sei answered HTTP 422" in text
    assert "no such project" in text
    row = site.read("rejected")[0]
    assert {"controller", "job", "number", "sink", "at", "status", "answer"} == set(row)
    assert (row["status"], row["job"], row["number"]) == (422, "team/app", 1)
    assert row["at"].endswith("Z")


def test_retry_maps_anew_so_that_a_corrected_config_helps(site: Site) -> None:
    """The same build, the same `execution_id`, the new mapping."""
    refused(site)
    site.configure(site.controller(instance_name="corrected"))
    result = site.run("retry", "--all")
    assert result.returncode == 0, result.stderr
    assert "team/app #1: queued again, mapped anew" in result.stdout
    assert [run["instance_name"] for run in site.sei.received] == ["corrected", "corrected"]
    assert site.read("rejected") == []
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 2


def test_one_build_alone(site: Site) -> None:
    """The others stay refused."""
    refused(site)
    assert site.run("retry", "team/app", "2").returncode == 0
    assert [run["build_number"] for run in site.sei.received] == [2]
    assert [row["number"] for row in site.read("rejected")] == [1]


def test_a_build_that_is_gone_is_sent_as_it_was_kept(site: Site) -> None:
    """Deleted, or another one under its number by now."""
    refused(site)
    job = site.jenkins.job("team/app")
    job.delete_build(1)
    result = site.run("retry", "--all")
    assert "team/app #1: queued again, as it was kept" in result.stdout
    assert sorted(run["build_number"] for run in site.sei.received) == [1, 2]


def test_what_is_gone_here_and_there_is_told(site: Site) -> None:
    """Exit 75; it stays in the list."""
    refused(site, 1)
    site.jenkins.remove("team/app")
    with sqlite3.connect(site.ledger) as conn:
        conn.execute("delete from payload")
    conn.close()
    result = site.run("retry", "--all")
    assert result.returncode == 75
    assert "not queued: Jenkins no longer has the build" in result.stdout
    assert len(site.read("rejected")) == 1


def test_of_an_earlier_generation(site: Site) -> None:
    """Its number at SEI and its id stay what they were."""
    job = site.jenkins.job("team/app")
    job.build()
    site.run("once")
    job.recreate()
    refused(site, 2)
    job.recreate()
    job.build()
    site.run("once")
    site.run("retry", "--all")
    assert [run["build_number"] for run in site.sei.received] == [1, 4, 2, 3]
    assert len({run["execution_id"] for run in site.sei.received}) == 4


def test_refused_again_stays_refused(site: Site) -> None:
    """With the new answer."""
    refused(site, 1)
    site.sei.fail(status=400, body="still no", times=1)
    site.run("retry", "--all")
    (row,) = site.read("rejected")
    assert (row["status"], row["answer"]) == (400, "still no")


def test_what_a_config_leaves_out_now_is_not_sent(site: Site) -> None:
    """It says so."""
    refused(site, 1)
    site.configure(more='[sei.results]\nSUCCESS = "skip"\n')
    result = site.run("retry", "--all")
    assert result.returncode == 75
    assert "it would be left out now: result SUCCESS" in result.stdout


def test_wrong_usage_and_unknown_builds(site: Site) -> None:
    """64 and 65."""
    refused(site, 1)
    for arguments in ([], ["--all", "team/app", "1"], ["team/app"]):
        assert site.run("retry", *arguments).returncode == 64
    result = site.run("retry", "team/app", "9")
    assert result.returncode == 65
    assert "rejected" in result.stderr
