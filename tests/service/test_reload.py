"""SIGHUP: the config is read anew, or the one before stays; nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from urllib.request import urlopen

from poller.demo.faults import Answer, Fault
from tests.support.site import Site, clean_environ, free_port
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
    (reloaded,) = (json.loads(line) for line in err.splitlines() if "config_reloaded" in line)
    assert reloaded["changed"] == ['controller "main": exclude']
    assert err.count("service_stopping") == 1, "not the reload's"
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
            wait_for(lambda: "config rejected: " in systemd.status())
        site.jenkins.job("app").build()
        wait_for(lambda: len(site.sei.runs) == 2)
        err = ended(service)
    assert len(wrongs) == systemd.count("RELOADING=1")
    for words in ("no such key; did you mean every?", "NO_SUCH_TOKEN", "another ledger", "ca.pem"):
        assert words in err, words
    assert not (site.directory / "other.db").exists()


def test_a_rejected_config_is_on_the_page_until_a_good_one_is_taken(
    site: Site, systemd: SystemdSocket
) -> None:
    """And in the status line; the commands that come after a restart don't know of it."""
    port = free_port()
    listen = f'[status]\nlisten = "127.0.0.1:{port}"\n'
    site.configure(site.controller(every="1h"), more=listen)
    good = site.config.read_text()

    def page() -> str:
        with urlopen(f"http://127.0.0.1:{port}/") as answer:
            return str(answer.read().decode())

    with site.start("run") as service:
        wait_for(lambda: systemd.status() == "waiting for the next poll")
        assert "The changed config is wrong" not in page()
        site.config.write_text(good.replace("every", "evry"))
        service.send_signal(signal.SIGHUP)
        wait_for(lambda: "did you mean every?" in systemd.status())
        assert "The changed config is wrong" in page()
        site.config.write_text(good)
        service.send_signal(signal.SIGHUP)
        wait_for(lambda: systemd.status() == "waiting for the next poll")
        assert "The changed config is wrong" not in page()
        ended(service)


def test_the_command_of_the_unit_fails_where_the_config_is_not_taken(
    site: Site, systemd: SystemdSocket
) -> None:
    """systemd can't see it otherwise: a service can only say that the reload is over."""
    site.configure(site.controller(every="1h"))
    good = site.config.read_text()
    site.environ["RUNTIME_DIRECTORY"] = str(site.directory)
    with site.start("run") as service:
        wait_for(lambda: systemd.count("READY=1") == 1)
        site.environ["MAINPID"] = str(service.pid)
        for config, said in (
            (good.replace("every", "evry"), "did you mean every?"),
            (good.replace("JENKINS_TOKEN", "NO_SUCH_TOKEN"), "NO_SUCH_TOKEN"),
            (good.replace('since = "all"', 'since = "all"\nca_file = "/nowhere/ca.pem"'), "ca.pem"),
            (good.replace("ledger.db", "other.db"), "another ledger"),
        ):
            site.config.write_text(config)
            done = site.run("reload")
            assert done.returncode == 78, done.stderr
            assert said in done.stderr
        site.config.write_text(good.replace('"1h"', '"2h"'))
        assert site.run("reload").stdout == 'reloaded: controller "main": every\n'
        wait_for(lambda: systemd.count("READY=1") == 6)
        err = ended(service)
    assert err.count("config_rejected") >= 4
    assert err.count("config_reloaded") == 1
    del site.environ["MAINPID"]
    assert site.run("reload").returncode == 64, "not by hand"


def test_a_start_that_fails_says_why_in_the_status_line(site: Site, systemd: SystemdSocket) -> None:
    """`systemctl status` shows it."""
    site.config.write_text(site.config.read_text().replace("url", "ulr"))
    assert site.run("run").returncode == 78
    wait_for(lambda: "did you mean url?" in systemd.status())


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


def test_a_stop_during_a_reload(site: Site, systemd: SystemdSocket) -> None:
    """Ends the service, with nothing half done."""
    site.jenkins.job("app").build()
    late = Fault("*/custom-cicd", Answer(None, delay=1), times=1)
    site.sei.faults.append(late)
    with site.start("run") as service:
        wait_for(lambda: late.times == 0)
        service.send_signal(signal.SIGHUP)
        wait_for(lambda: systemd.count("RELOADING=1") == 1)
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
    assert service.wait(timeout=60) == 0


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
        assert site.run("reconcile", "--repair").returncode == 0
        site.jenkins.job("app").build()
        wait_for(lambda: len(site.sei.runs) == 2)
        wait_for(lambda: site.read("status")["controllers"][0]["sinks"]["sei"]["delivered"] == 2)
        service.kill()
        service.communicate(timeout=60)
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 2
