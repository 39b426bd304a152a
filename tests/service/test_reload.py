"""SIGHUP: the config is read anew, or the one before stays; nothing is lost or doubled."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

from tests.support.site import Site, clean_environ
from tests.support.systemd_socket import SystemdSocket, ended
from tests.support.waiting import wait_for


def test_a_reload_takes_the_new_config(site: Site, systemd: SystemdSocket) -> None:
    """Here: what was excluded is watched; systemd sees it begin and end."""
    site.configure(site.controller(every="1h", exclude=["late"]))
    site.jenkins.job("app").build()
    site.jenkins.job("late").build()
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        site.configure(site.controller(every="1h"))
        before = time.monotonic_ns() // 1000
        service.send_signal(signal.SIGHUP)
        wait_for(lambda: len(site.sei.runs) == 2)
        err = ended(service)
    assert "config_reloaded" in err
    reloading, usec = systemd.last("RELOADING=1").split("\nMONOTONIC_USEC=")
    assert reloading == "RELOADING=1"
    assert before < int(usec) < time.monotonic_ns() // 1000
    said = systemd.hear()
    assert systemd.count("READY=1") == 2
    assert said.index(f"RELOADING=1\nMONOTONIC_USEC={usec}") < len(said) - 1 - said[::-1].index(
        "READY=1"
    )
    assert systemd.count("STOPPING=1") == 1


def test_a_wrong_config_is_not_taken(site: Site, systemd: SystemdSocket) -> None:
    """All that is wrong is logged, and the service goes on with the one before."""
    site.configure(site.controller(every="1s"))
    site.jenkins.job("app").build()
    good = site.config.read_text()
    wrongs = (
        good.replace("every", "evry").replace('"1s"', "7"),
        good.replace("JENKINS_TOKEN", "NO_SUCH_TOKEN"),
        good.replace("ledger.db", "other.db"),
        good.replace('since = "all"', 'since = "all"\nca_file = "/nowhere/ca.pem"'),
        "",
    )
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        for number, wrong in enumerate(wrongs, 1):
            site.config.write_text(wrong)
            service.send_signal(signal.SIGHUP)
            wait_for(lambda: systemd.count("READY=1") == number + 1)  # noqa: B023
        site.jenkins.job("app").build()
        wait_for(lambda: len(site.sei.runs) == 2)
        err = ended(service)
    assert len(wrongs) == systemd.count("RELOADING=1")
    for words in ("no such key; did you mean every?", "NO_SUCH_TOKEN", "another ledger", "ca.pem"):
        assert words in err, words
    assert not (site.directory / "other.db").exists()


def test_reloads_while_it_works_lose_and_double_nothing(site: Site) -> None:
    """One after the other while SEI is slow: each run is waited for."""
    site.configure(site.controller(every="1s"))
    for _ in range(30):
        site.jenkins.job("app").build()
        site.jenkins.job("other").build()
    site.sei.fail(status=None, delay=0.1)
    with site.start("run") as service:
        for count in range(5, 60, 10):
            wait_for(lambda: len(site.sei.received) >= count)  # noqa: B023
            service.send_signal(signal.SIGHUP)
        wait_for(lambda: len(site.sei.runs) == 60)
        ended(service)
    assert len(site.sei.received) == 60
    for name in ("app", "other"):
        sent = [run for run in site.sei.received if run["job_full_name"] == name]
        assert list(range(1, 31)) == [run["build_number"] for run in sent]


def test_a_stop_during_a_reload(site: Site) -> None:
    """Ends the service, with nothing half done."""
    site.jenkins.job("app").build()
    site.sei.fail(status=None, delay=1)
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.received) >= 0 and site.ledger.exists())
        time.sleep(1)
        service.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        ended(service)
    assert len(site.sei.received) == 1


def test_a_terminal_that_is_closed_ends_it(site: Site) -> None:
    """A service started by hand does not stay behind with the lock."""
    site.jenkins.job("app").build()
    ours, theirs = pty.openpty()
    service = subprocess.Popen(
        [sys.executable, "-m", "poller", "--config", str(site.config), "run"],
        env={**clean_environ(), **site.environ},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs)
    wait_for(lambda: len(site.sei.runs) == 1)
    os.close(ours)
    service.send_signal(signal.SIGHUP)
    assert service.wait(timeout=30) == 0


def test_a_command_beside_a_reloaded_service_takes_nothing_from_it(site: Site) -> None:
    """When it ends it leaves the write-ahead log, which the service goes on with."""
    site.configure(site.controller(every="1s"))
    site.jenkins.job("app").build()
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        service.send_signal(signal.SIGHUP)
        assert service.stderr is not None
        while "config_reloaded" not in service.stderr.readline():
            pass
        time.sleep(0.5)
        assert site.run("reconcile", "--repair").returncode == 0
        site.jenkins.job("app").build()
        wait_for(lambda: len(site.sei.runs) == 2)
        time.sleep(0.3)
        assert site.read("status")["controllers"][0]["sinks"]["sei"]["delivered"] == 2
        service.kill()
        service.communicate(timeout=10)
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 2
