"""What systemd is told, over a real datagram socket, by the real service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from poller.service.systemd import Systemd, watchdog_seconds
from poller.service.watchdog import Watchdog, few
from tests.support.site import Site
from tests.support.systemd_socket import SystemdSocket, ended
from tests.support.waiting import wait_for


def test_ready_status_and_stopping(site: Site, systemd: SystemdSocket) -> None:
    """In that order; the status says what it does."""
    site.jenkins.job("app").build()
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        wait_for(lambda: systemd.status() == "waiting for the next poll")
        ended(service)
    assert systemd.hear()[0] == "READY=1"
    assert systemd.count("STATUS=polling main") >= 1
    assert any("delivering to sei" in said for said in systemd.hear())
    assert systemd.last("STOPPING=1").splitlines()[1] == "EXTEND_TIMEOUT_USEC=25000000"


def test_status_says_what_is_wrong(site: Site, systemd: SystemdSocket) -> None:
    """And no longer when it is right again."""
    site.configure(site.controller(every="1s"))
    site.jenkins.fail(status=403)
    with site.start("run") as service:
        wait_for(lambda: systemd.count("STATUS=waiting for the next poll; controller main: ") > 0)
        site.jenkins.clear_faults()
        wait_for(lambda: systemd.status() == "waiting for the next poll")
        ended(service)


def test_status_says_why_it_does_not_start(site: Site, systemd: SystemdSocket) -> None:
    """And what to do: people look there first."""
    site.config.unlink()
    assert site.run("run").returncode == 78
    told = f"{site.config}: can't read it: No such file or directory - make it with: sei-poller"
    assert systemd.status().startswith(told)


def test_an_abstract_socket(site: Site) -> None:
    """As systemd names it in containers: @name."""
    name = f"sei-poller-test-{os.getpid()}"
    systemd = SystemdSocket(f"\0{name}")
    site.environ["NOTIFY_SOCKET"] = f"@{name}"
    with site.start("run") as service:
        wait_for(lambda: systemd.count("READY=1") == 1)
        ended(service)
    systemd.close()


def test_nobody_listens(tmp_path: Path) -> None:
    """Then nothing happens."""
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    Systemd({}).ready()


def test_the_watchdog_is_fed_while_it_polls_and_while_it_waits(
    site: Site, systemd: SystemdSocket
) -> None:
    """Also between two polls that are an hour apart, and during a slow one."""
    site.configure(site.controller(every="1h"))
    site.environ["WATCHDOG_USEC"] = "800000"
    site.jenkins.job("app").build()
    site.jenkins.fail("*/computer/*", status=None, delay=3)
    with site.start("run") as service:
        wait_for(lambda: systemd.count("STATUS=polling main") >= 1)
        wait_for(lambda: systemd.count("WATCHDOG=1") >= 4)
        assert site.sei.runs == {}, "the slow poll is over"
        wait_for(lambda: systemd.status() == "waiting for the next poll")
        before = systemd.count("WATCHDOG=1")
        wait_for(lambda: systemd.count("WATCHDOG=1") >= before + 4)
        ended(service)


def test_a_blocked_process_is_not_fed(site: Site, systemd: SystemdSocket) -> None:
    """Whatever it is that holds it: here it is stopped."""
    site.environ["WATCHDOG_USEC"] = "400000"
    with site.start("run") as service:
        wait_for(lambda: systemd.count("WATCHDOG=1") >= 2)
        service.send_signal(signal.SIGSTOP)

        def silent() -> bool:
            before = systemd.hear()
            time.sleep(1)
            return before == systemd.hear()

        wait_for(silent)
        service.kill()
        service.communicate(timeout=60)


def test_the_status_line_stays_short() -> None:
    """With 200 controllers it is read, too."""
    assert few([], ", ") == ""
    assert few(["a", "b", "c"], ", ") == "a, b, c"
    assert few([str(number) for number in range(200)], "; ") == "0; 1; 2; and 197 more"


def test_a_systemd_that_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    """A status that can't be told at once is not told."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unread:
        unread.bind(path)
        notify = Systemd({"NOTIFY_SOCKET": path})
        began = time.monotonic()
        for number in range(1_000):
            notify.status(str(number))
        assert time.monotonic() - began < 60  # one wait would be a second


def test_work_without_progress_is_not_fed(tmp_path: Path) -> None:
    """Though the loop itself goes on: a poll that waits for ever for what never comes."""
    now, asked = [0.0], [0]
    systemd = SystemdSocket(str(tmp_path / "notify"))
    watchdog = Watchdog(Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify")}), lambda: now[0], 60)

    def fed_at(seconds: float, requests: int) -> bool:
        now[0], asked[0] = seconds, requests
        before = systemd.count("WATCHDOG=1")
        asyncio.run(watchdog.ping())
        systemd.hear_all()
        return systemd.count("WATCHDOG=1") > before

    with watchdog.track("polling main", lambda: asked[0]):
        assert fed_at(50, 0)
        assert fed_at(55, 1)
        assert fed_at(110, 1)
        assert not fed_at(116, 1)
        assert watchdog.stalled() == ["polling main"]
        assert fed_at(117, 2), "it went on after all"
    assert fed_at(1000, 2), "nothing is under way"
    systemd.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_whether_a_watchdog_waits(environ: dict[str, str], seconds: float | None) -> None:
    """Only for the process that is meant."""
    assert seconds == watchdog_seconds(environ, 7)
