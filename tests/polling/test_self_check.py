"""What the service compares by itself."""

from __future__ import annotations

import json
import time

from tests.support.lost_builds import build_old, lose
from tests.support.site import Site
from tests.support.waiting import wait_for


def test_a_hole_heals_without_anyone_asking(site: Site) -> None:
    """It is found, told in the log, collected and sent, while the service runs."""
    site.configure(site.controller(every="1h"), more='[reconcile]\nevery = "1s"\n')
    build_old(site, 4)
    site.run("once")
    lose(site, "number = 2")
    site.sei.received.clear()
    with site.start("run") as service:
        wait_for(lambda: [run["build_number"] for run in site.sei.received] == [2])
        service.terminate()
        _, err = service.communicate(timeout=60)
    lines = [json.loads(line[line.index("{") :]) for line in err.splitlines()]
    assert [line["finding"] for line in lines if "finding" in line] == ["app #2: not in the ledger"]
    assert site.run("reconcile").returncode == 0


def test_a_job_created_anew_up_to_the_very_same_number_heals(site: Site) -> None:
    """No counter shows it to a poll."""
    site.configure(site.controller(every="1h"), more='[reconcile]\nevery = "1s"\n')
    build_old(site, 2)
    site.run("once")
    site.jenkins.job("app").recreate()
    build_old(site, 2)
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.received) == 4)
        service.terminate()
        service.communicate(timeout=60)
    assert [run["build_number"] for run in site.sei.received] == [1, 2, 3, 4]


def test_it_takes_a_few_jobs_in_turn(site: Site) -> None:
    """A request each; those with builds since they were compared last come first."""
    for place in range(7):
        build_old(site, 1, f"job-{place}")
    site.run("once")
    site.configure(site.controller(every="1h"), more='[reconcile]\nevery = "1s"\njobs = 2\n')
    site.jenkins.requests.clear()

    def asked() -> list[str]:
        return [r.path for r in list(site.jenkins.requests) if r.path.startswith("/job/")]

    with site.start("run") as service:
        wait_for(lambda: len(asked()) >= 6)
        service.terminate()
        service.communicate(timeout=60)
    assert len(set(asked()[:6])) == 6


def test_it_can_be_switched_off(site: Site) -> None:
    """Then nothing is asked."""
    build_old(site, 2)
    site.run("once")
    lose(site, "number = 2")
    site.configure(site.controller(every="1h"), more='[reconcile]\nenabled = false\nevery = "1s"\n')
    with site.start("run") as service:
        time.sleep(3)
        service.terminate()
        service.communicate(timeout=60)
    assert len(site.sei.received) == 2


def test_once_does_its_share(site: Site) -> None:
    """A program that is run by a timer compares, too, once in `every`: it heals what is missing."""
    build_old(site, 4)
    site.configure(site.controller(), more='[reconcile]\nevery = "1s"\n')
    for _ in range(2):
        assert site.run("once").returncode == 0
    lose(site, "number = 2")
    site.sei.received.clear()
    time.sleep(1.1)
    result = site.run("once")
    assert "self-check: app #2: not in the ledger" in result.stdout
    assert [run["build_number"] for run in site.sei.received] == [2]
    site.jenkins.requests.clear()
    site.configure(site.controller())
    site.run("once")
    assert [r.path for r in site.jenkins.requests if r.path.startswith("/job/")] == []


def test_jobs_that_can_not_be_compared_hold_up_no_other(site: Site) -> None:
    """Those that are gone, that fail, or that never had a build take the turn of none for long."""
    names = [f"{kind}-{place}" for kind in ("gone", "bad") for place in range(3)]
    for name in names:
        build_old(site, 1, name)
        site.jenkins.job(f"new-{name}")
    site.run("once")
    build_old(site, 3)  # the last that the ledger comes to know
    site.run("once")
    for name in names[:3]:
        site.jenkins.remove(name)
    lose(site, "number = 2")
    site.sei.received.clear()
    site.jenkins.fail("/job/bad-*", status=500)
    site.configure(site.controller(every="1h"), more='[reconcile]\nevery = "1s"\njobs = 2\n')
    with site.start("run") as service:
        wait_for(lambda: [run["build_number"] for run in site.sei.received] == [2])
        service.terminate()
        service.communicate(timeout=60)
