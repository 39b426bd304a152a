"""`resend`: delivered builds go to SEI again, mapped anew, under the same `execution_id`."""

from __future__ import annotations

import contextlib
import signal
import sqlite3

import pytest

from tests.status.conftest import serve
from tests.support.site import Site
from tests.support.waiting import wait_for

LATER = "corrected"


def delivered(site: Site, *jobs: str, builds: int = 2) -> None:
    """Builds of the jobs that SEI has taken; the config is a corrected one then."""
    for name in jobs:
        for _ in range(builds):
            site.jenkins.job(name).build()
    assert site.run("once").returncode == 0
    site.sei.received.clear()
    site.configure(site.controller(instance_name=LATER))


def names(site: Site) -> list[tuple[str, int]]:
    """What was sent since."""
    return [(run["job_full_name"], run["build_number"]) for run in site.sei.received]


def test_it_is_mapped_anew_under_the_same_id(site: Site) -> None:
    """With the config of today; the ledger has it as delivered again."""
    site.jenkins.job("team/app").build()
    assert site.run("once").returncode == 0
    (before,) = site.sei.received
    site.configure(site.controller(instance_name=LATER))
    result = site.run("resend", "--since", "all")
    assert (result.returncode, result.stderr) == (0, "")
    assert "1 builds queued again: 1 mapped anew" in result.stdout
    assert "sei: 1 delivered" in result.stdout
    _, after = site.sei.received
    assert after["execution_id"] == before["execution_id"]
    assert (before["instance_name"], after["instance_name"]) == ("main", LATER)
    sinks = site.read("status")["controllers"][0]["sinks"]["sei"]
    assert (sinks["queued"], sinks["delivered"], sinks["rejected"]) == (0, 1, 0)


def test_jobs_and_times(site: Site) -> None:
    """Only what is asked for, in the order in which it was built."""
    app, web = site.jenkins.job("team/app"), site.jenkins.job("web")
    for day in (1, 2, 3):
        app.build(timestamp=1_700_000_000_000 + day * 86_400_000)
    web.build(timestamp=1_700_086_400_000)
    assert site.run("once").returncode == 0
    site.sei.received.clear()
    window = ["--since", "2023-11-16T00:00:00Z", "--until", "2023-11-17T23:00:00Z"]
    assert site.run("resend", "--job", "team/**", *window).returncode == 0
    assert names(site) == [("team/app", 2), ("team/app", 3)]


def test_a_dry_run_asks_and_changes_nothing(site: Site) -> None:
    """It counts, in words and as JSON."""
    delivered(site, "app", "web")
    asked = len(site.jenkins.requests)
    assert site.run("resend", "--job", "app", "--dry-run").stdout == (
        "main: 2 builds would be sent again\n"
    )
    assert site.read("resend", "--since", "all", "--dry-run") == {"controllers": {"main": 4}}
    assert len(site.jenkins.requests) == asked
    assert site.sei.received == []


def test_what_jenkins_no_longer_has_goes_as_it_was_kept(site: Site) -> None:
    """Where it is kept; else it is named, and the others go."""
    delivered(site, "app", builds=3)
    job = site.jenkins.job("app")
    job.delete_build(1)
    job.delete_build(2)
    with contextlib.closing(sqlite3.connect(site.ledger)) as ledger, ledger:
        ledger.execute("delete from payload where build = (select min(build) from payload)")
    result = site.run("resend", "--job", "app")
    assert result.returncode == 75
    assert "not queued: app #1: Jenkins no longer has the build" in result.stdout
    assert "2 builds queued again" in result.stdout
    assert "1 as it was kept" in result.stdout
    assert [run["instance_name"] for run in site.sei.received] == ["main", LATER]


def test_the_incomplete_ones_alone(site: Site) -> None:
    """With what they went without, as soon as that can be had; they are complete then."""
    site.jenkins.job("whole").build()
    build = site.jenkins.job("app").build()
    build.archive("sei-artifacts.json", b"{}")
    assert site.run("once").returncode == 0
    assert site.read("status")["controllers"][0]["incomplete"]["count"] == 1
    build.artifacts.clear()
    text = b'{"type":"container","location":"r","name":"a","qualifier":"1","output":true}'
    build.archive("sei-artifacts.json", text)
    site.sei.received.clear()
    assert site.run("resend", "--incomplete").returncode == 0
    (run,) = site.sei.received
    assert run["artifacts"][0]["name"] == "a"
    assert site.read("status")["controllers"][0]["incomplete"]["count"] == 0
    assert site.read("resend", "--incomplete")["selected"] == 0


def test_a_controller_that_is_down_is_told(site: Site) -> None:
    """69; nothing of it is queued, and it can be done again."""
    delivered(site, "app", builds=9)
    site.jenkins.fail("*", status=503)
    result = site.run("resend", "--job", "app")
    assert result.returncode == 69, result.stdout
    assert "circuit open" in result.stdout
    site.jenkins.clear_faults()
    site.sei.received.clear()
    assert site.run("resend", "--job", "app").returncode == 0
    assert len(site.sei.received) == 9


def test_a_stop_ends_it_cleanly_and_it_can_be_done_again(site: Site) -> None:
    """What was queued by then is sent with the next command; each under its own id, none lost."""
    delivered(site, "app", builds=60)
    site.jenkins.fail("*/api/json", status=None, delay=0.2)
    with site.start("resend", "--job", "app") as process:
        wait_for(lambda: bool(site.sei.received))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "stopped: run it again for the rest" in out
    site.jenkins.clear_faults()
    assert site.run("resend", "--job", "app").returncode == 0
    assert len({run["execution_id"] for run in site.sei.received}) == 60
    assert site.read("status")["controllers"][0]["sinks"]["sei"]["delivered"] == 60


def test_beside_the_service(site: Site) -> None:
    """That sends what is queued, once."""
    delivered(site, "app", builds=5)
    with serve(site) as service:
        service.wait_polled()
        result = site.run("resend", "--job", "app")
        assert result.returncode == 0, result.stdout + result.stderr
        service.wait(lambda: len(site.sei.received) == 5)
    assert [number for _, number in names(site)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "arguments", [[], ["--until", "1d"], ["--since", "1d", "--until", "2d"], ["--since", "soon"]]
)
def test_usage(site: Site, arguments: list[str]) -> None:
    """Everything there is has to be asked for."""
    assert site.run("resend", *arguments).returncode == 64
