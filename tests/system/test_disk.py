"""A disk that takes no more: the service says so, asks and sends nothing meanwhile, and goes on by
itself when there is room."""

from __future__ import annotations

import contextlib
import errno
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.status.conftest import Service, serve
from tests.support.campaign import sizes
from tests.support.preload import Preload, need_gcc
from tests.support.site import Site, simulated
from tests.support.systemd_socket import SystemdSocket, ended
from tests.support.waiting import wait_for

JOBS = ("app", "web", "team/app")
KINDS = [(errno.ENOSPC, False), (errno.ENOSPC, True), (errno.EIO, False)]
"""Full; full with room for half of a write; a disk that fails writes and syncs."""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Site, Preload]]:
    """A site whose disk can be filled."""
    need_gcc()
    with simulated(tmp_path) as site:
        preload = Preload(tmp_path, site.ledger)
        site.environ.update(preload.environ)
        site.configure(site.controller(every="1s"))
        yield site, preload


@pytest.mark.parametrize("rounds", sizes(3, 21))
def test_the_disk_is_full_at_any_write(full: tuple[Site, Preload], rounds: int) -> None:
    """Nothing is lost, nothing is sent twice, and Jenkins is left alone."""
    site, preload = full
    with serve(site) as service:
        service.wait_polled()
        for turn in range(rounds):
            error, half = KINDS[turn % len(KINDS)]
            preload.refuse(error, turn * 210 // rounds, half=half)
            for name in JOBS:
                site.jenkins.job(name).build()
            service.wait(lambda: ill(service) or all_sent(site, service))
            if ill(service):
                asked = len(site.jenkins.requests)
                sent = len(site.sei.received)
                time.sleep(1.5)
                assert ill(service)
                assert asked == len(site.jenkins.requests), "Jenkins is asked for nothing"
                assert sent == len(site.sei.received), "SEI is sent what can't be recorded"
            preload.accept()
            service.wait(lambda: all_sent(site, service))
    assert preload.refused
    assert len(site.sei.received) == rounds * len(JOBS)
    assert site.run("reconcile").returncode == 0


def ill(service: Service) -> bool:
    """Whether the service says that it can't write."""
    answer = service.get("/healthz")
    return answer.status_code == 503 and "ledger" in answer.text


def all_sent(site: Site, service: Service) -> bool:
    """SEI has all, the ledger knows it, and the service is well."""
    there = sum(len(job.builds) for job in site.jenkins.jobs.values())
    metrics = service.get("/metrics").text
    queued = re.findall(r"^sei_poller_outbox_builds{.*} (\d+)", metrics, re.MULTILINE)
    collected = re.findall(r'^sei_poller_builds{.*"collected"} (\d+)', metrics, re.MULTILINE)
    return (
        len(site.sei.runs) == there
        and {"0"} == set(queued)
        and [str(there)] == collected
        and not ill(service)
    )


def test_it_says_so_everywhere(full: tuple[Site, Preload]) -> None:
    """On the page, in the metrics, to systemd and in the log; and no longer when there is room."""
    site, preload = full
    systemd = SystemdSocket(str(site.directory / "notify"))
    site.environ["NOTIFY_SOCKET"] = str(site.directory / "notify")
    with serve(site) as service:
        service.wait_polled()
        preload.refuse(errno.ENOSPC)
        service.wait(lambda: ill(service))
        assert "database or disk is full" in service.get("/").text
        assert "sei_poller_ledger_writable 0.0" in service.get("/metrics").text
        assert "ledger" in systemd.status()
        preload.accept()
        service.wait(lambda: service.get("/healthz").text == "ok\n")
        assert "sei_poller_ledger_writable 1.0" in service.get("/metrics").text
        wait_for(lambda: "ledger" not in systemd.status())
    systemd.close()


def test_what_sei_took_is_not_sent_again_after_a_full_disk(full: tuple[Site, Preload]) -> None:
    """Its answers are kept until there is room; over a reload, too."""
    site, preload = full
    for name in range(9):
        site.jenkins.job(f"job-{name}").build()
    site.sei.fail(status=None, delay=1.5)
    with site.start("run") as process:
        queued(site, 9)
        preload.refuse(errno.ENOSPC)
        wait_for(lambda: len(site.sei.received) >= 1)
        time.sleep(2.5)
        taken = len(site.sei.received)
        assert taken <= 4
        preload.accept()
        wait_for(lambda: len(site.sei.runs) == 9)
        err = ended(process)
    assert "ledger_unwritable" in err
    assert "ledger_writable" in err
    assert len(site.sei.received) == 9


def test_an_answer_that_is_not_recorded_goes_over_a_reload(full: tuple[Site, Preload]) -> None:
    """The service before keeps it, and the next one records it."""
    site, preload = full
    site.jenkins.job("app").build()
    site.sei.fail(status=None, delay=1.5)
    with site.start("run") as process:
        queued(site, 1)
        preload.refuse(errno.ENOSPC)
        wait_for(lambda: len(site.sei.received) == 1)
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        for event in ("config_reloaded", "ledger_unwritable"):
            while event not in process.stderr.readline():
                pass
        preload.accept()
        wait_for(lambda: site.read("status")["controllers"][0]["sinks"]["sei"]["delivered"] == 1)
        ended(process)
    assert len(site.sei.received) == 1


def queued(site: Site, count: int) -> None:
    """Wait until so many runs are queued, and some on their way: SEI takes a while."""

    def so_many() -> bool:
        try:
            with contextlib.closing(
                sqlite3.connect(f"{site.ledger.as_uri()}?mode=ro", uri=True)
            ) as db:
                query = "select count(*) from delivery where state = 'queued'"
                return bool(db.execute(query).fetchone()[0] == count)
        except sqlite3.OperationalError:
            return False

    wait_for(so_many)
    time.sleep(0.3)


def test_a_stop_with_a_full_disk_says_what_will_be_sent_again(
    full: tuple[Site, Preload],
) -> None:
    """At most what was under way, and with the same id."""
    site, preload = full
    site.jenkins.job("app").build()
    site.sei.fail(status=None, delay=1.5)
    with site.start("run") as process:
        queued(site, 1)
        preload.refuse(errno.ENOSPC)
        wait_for(lambda: len(site.sei.received) == 1)
        time.sleep(0.5)
        err = ended(process)
    assert '"sent_but_not_recorded": 1' in err
    preload.accept()
    site.sei.clear_faults()
    assert site.run("once").returncode == 0
    one, two = site.sei.received
    assert one == two


def test_once_ends_with_73(full: tuple[Site, Preload]) -> None:
    """And a sentence; the next one does its work."""
    site, preload = full
    assert site.run("once").returncode == 0
    site.jenkins.job("app").build()
    preload.refuse(errno.ENOSPC, 20)
    result = site.run("once")
    assert result.returncode == 73, result.stderr
    assert "full" in result.stderr
    assert "make room" in result.stderr
    preload.accept()
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 1


def test_another_file_in_its_place_is_not_waited_for(full: tuple[Site, Preload]) -> None:
    """Room alone does not mend it: the service ends with 73, for somebody to look."""
    site, preload = full
    with site.start("run") as process:
        assert process.stderr is not None
        while "poll_finished" not in process.stderr.readline():
            pass
        preload.refuse(errno.ENOSPC)
        while "ledger_unwritable" not in process.stderr.readline():
            pass
        for suffix in ("", "-wal", "-shm"):
            site.ledger.with_name(site.ledger.name + suffix).unlink()
        site.ledger.write_text("this is no ledger " * 400)
        preload.accept()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 73, err
    assert "another file is in its place" in err


def test_a_ledger_that_is_replaced_is_not_written_to(site: Site) -> None:
    """By a backup, say: the service ends with 73, and the next start goes on with that one."""
    site.configure(site.controller(every="1s"))
    site.jenkins.job("app").build()
    site.run("once")
    copy = site.directory / "copy.db"
    with (
        contextlib.closing(sqlite3.connect(site.ledger)) as ledger,
        contextlib.closing(sqlite3.connect(copy)) as backup,
    ):
        ledger.backup(backup)
    with site.start("run") as process:
        site.jenkins.job("app").build()
        wait_for(lambda: len(site.sei.received) == 2)
        copy.replace(site.ledger)
        site.jenkins.job("web").build()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 73, err
    assert "another file is in its place" in err
    assert "stop the service before you restore one" in err
    assert len(site.sei.received) == 2, "what can't be recorded is not sent"
    assert site.run("once").returncode == 0
    runs = [(run["job_full_name"], run["build_number"]) for run in site.sei.received]
    assert runs[:2] == [("app", 1), ("app", 2)]
    assert sorted(runs[2:]) == [("app", 2), ("web", 1)], "the backup does not know the second"


def test_a_ledger_that_is_taken_away_is_waited_for(site: Site) -> None:
    """Its disk may be away: nothing is asked or sent, no other file is made, and it goes on when
    the file is back."""
    site.configure(site.controller(every="1s"))
    away = site.ledger.with_name("away")
    with serve(site) as service:
        service.wait_polled()
        site.ledger.rename(away)
        site.jenkins.job("app").build()
        service.wait(lambda: ill(service))
        service.wait(lambda: "it is gone" in service.get("/").text)
        assert not site.ledger.exists()
        assert site.sei.received == []
        away.rename(site.ledger)
        service.wait(lambda: len(site.sei.received) == 1)
        service.wait(lambda: service.get("/healthz").text == "ok\n")
