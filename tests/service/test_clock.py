"""A wall clock that is set by a year, and a machine that was asleep: nothing waits for it, nothing
is made up for more than once, nothing is forgotten for it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.cron import CronTrigger

from poller.ledger.retention import trusted_now
from poller.service.scheduler import FromNowTrigger, Spread, interval, jump
from tests.status.conftest import Service, serve
from tests.support.preload import Preload, need_gcc
from tests.support.site import Site, simulated
from tests.support.systemd_socket import SystemdSocket
from tests.support.waiting import wait_for

YEAR = 365 * 86_400
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


@pytest.fixture
def elsewhen(tmp_path: Path) -> Iterator[tuple[Site, Preload, SystemdSocket]]:
    """A site whose command has a clock of its own, and a watchdog."""
    need_gcc()
    with simulated(tmp_path) as site:
        preload = Preload(tmp_path, site.ledger)
        systemd = SystemdSocket(str(site.directory / "notify"))
        site.environ.update(preload.environ)
        site.environ["NOTIFY_SOCKET"] = str(site.directory / "notify")
        site.environ["WATCHDOG_USEC"] = "800000"
        yield site, preload, systemd
        systemd.close()


def test_the_clock_is_set_by_a_year(elsewhen: tuple[Site, Preload, SystemdSocket]) -> None:
    """Forward, back by two, and right again: polls, deliveries and the watchdog go on."""
    site, preload, systemd = elsewhen
    with serve(site, site.controller(every="1s", logs="all")) as service:
        for number, shift in enumerate((0, YEAR, -YEAR, 0), 1):
            preload.shift_clock(shift)
            asked, fed = len(site.jenkins.requests), systemd.count("WATCHDOG=1")
            built(site, service, number)
            until(systemd, fed + 4)
            assert len(site.jenkins.requests) - asked < 60, "missed polls are made up for at once"
            assert service.get("/healthz").text == "ok\n"
            service.process.send_signal(signal.SIGHUP)  # what is old is forgotten at each start
            wait_for(lambda number=number: systemd.count("READY=1") == number + 1)  # type: ignore[misc]
        kept = [
            service.get(f"/builds/{build}/{what}").status_code
            for build in range(1, 5)
            for what in ("payload.json", "log.txt")
        ]
    assert kept == [200] * 8
    assert len(site.sei.received) == 4
    assert site.run("reconcile").returncode == 0
    assert "last answer" in site.run("status").stdout


def until(systemd: SystemdSocket, feeds: int) -> None:
    """Wait until the watchdog was fed so often."""
    wait_for(lambda: systemd.count("WATCHDOG=1") >= feeds)


def built(site: Site, service: Service, count: int) -> None:
    """A build more, which SEI has soon."""
    site.jenkins.job("app").build()
    wait_for(lambda: len(site.sei.runs) == count)
    service.wait(lambda: service.get(f"/builds/{count}/payload.json").status_code == 200)


def test_asleep_for_an_hour(elsewhen: tuple[Site, Preload, SystemdSocket]) -> None:
    """Both servers have given its connections up meanwhile; there is one poll, at once."""
    site, preload, systemd = elsewhen
    with serve(site, site.controller(every="5s")) as service:
        built(site, service, 1)
        service.process.send_signal(signal.SIGSTOP)
        preload.shift_clock(3600)
        for server in (site.jenkins_server, site.sei_server):
            server.stop()
            server.start()
        time.sleep(2)
        asked, fed = len(site.jenkins.requests), systemd.count("WATCHDOG=1")
        service.process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        built(site, service, 2)
        assert len(site.jenkins.requests) - asked < 12 + 6 * (time.monotonic() - began) / 5
        until(systemd, fed + 4)
        service.wait(lambda: service.get("/healthz").text == "ok\n")
    assert len(site.sei.received) == 2


def test_what_was_missed_counts_as_one() -> None:
    """However long ago it was due, and whatever the trigger."""
    year, cron = timedelta(seconds=YEAR), CronTrigger.from_crontab("*/5 * * * *", timezone="UTC")
    for when in (interval(60), cron, Spread(60, NOW.timestamp())):
        ahead = FromNowTrigger(when).get_next_fire_time(NOW - year, NOW)
        assert ahead is not None
        assert NOW < ahead <= NOW + timedelta(minutes=5)
        back = FromNowTrigger(when).get_next_fire_time(NOW + year, NOW)
        assert back is not None
        assert NOW < back <= NOW + timedelta(minutes=5)


def test_a_clock_that_is_drawn_right_slowly_was_not_set() -> None:
    """As NTP does it: half a millisecond a second."""
    assert jump(100.0, 100.0005) == 0
    assert jump(100.0, 100.0 - YEAR) == -YEAR
    assert jump(100.0, 3700.0) == 3600


def test_what_is_old_is_old_by_jenkins_clock_too() -> None:
    """Ours may be ahead by a year; one that is behind keeps more."""
    assert trusted_now(1_000, None) == 1_000
    assert trusted_now(1_000, 900) == 900
    assert trusted_now(1_000, 5_000) == 1_000
