"""Another program holds the ledger, as for a VACUUM or in a forgotten shell: nobody stands still for
it, nothing is lost and nothing sent twice."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from poller.core.errors import LedgerBusy
from poller.ledger import Ledger
from tests.status.conftest import serve
from tests.support.site import Site
from tests.support.systemd_socket import ended
from tests.support.waiting import wait_for

JOBS = 12


@contextlib.contextmanager
def held(ledger: Path) -> Iterator[None]:
    """The write lock is ours, in another process than the program's."""
    with contextlib.closing(sqlite3.connect(ledger, timeout=30, isolation_level=None)) as conn:
        conn.execute("begin immediate")
        try:
            yield
        finally:
            conn.execute("rollback")


def test_livez_answers_and_the_poll_goes_on(site: Site) -> None:
    """The page answers again and again while builds can't be recorded; each is sent once."""
    with serve(site) as service:
        service.wait_polled()
        with held(site.ledger):
            for number in range(JOBS):
                site.jenkins.job(f"job-{number}").build()
            service.wait(lambda: "ledger" in service.get("/healthz").text)
            for _ in range(40):  # some seconds: several tries to write
                answer = httpx.get(f"{service.url}livez", timeout=1.0)
                assert answer.status_code == 200
                time.sleep(0.1)
            assert site.sei.received == []
            by = rf"database is locked by \S+ \(process {os.getpid()}\)"
            assert re.search(by, service.get("/").text)
        service.wait_delivered(JOBS)
        service.wait(lambda: service.get("/healthz").text == "ok\n")
    assert len(site.sei.received) == JOBS


def test_what_sei_took_meanwhile_is_not_sent_again(site: Site) -> None:
    """Its answers are kept until the ledger is free; a stop waits for that, too."""
    site.configure(site.controller(every="1h"))
    site.jenkins.job("app").build()
    site.sei.fail(status=None, delay=1.0)
    with site.start("run") as process:
        wait_for(lambda: queued(site.ledger) == 1)
        with held(site.ledger):
            wait_for(lambda: len(site.sei.received) == 1)
            assert process.stderr is not None
            while "ledger_unwritable" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGTERM)
            while "service_stopping" not in process.stderr.readline():
                pass
        err = ended(process)
    assert "sent_but_not_recorded" not in err
    assert queued(site.ledger) == 0
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 1


@pytest.mark.parametrize("command", ["once", "backfill --since all"])
def test_a_command_waits_for_it_and_lets_no_request_time_out(site: Site, command: str) -> None:
    """What is under way is answered meanwhile: a run whose answer is not read is sent again."""
    site.jenkins.job("first").build()
    assert site.run("once").returncode == 0
    for number in range(JOBS):
        site.jenkins.job(f"job-{number}").build()
    site.configure(timeout="3s")
    site.sei.fail(status=None, delay=0.5)
    with site.start(*command.split()) as process:
        wait_for(lambda: len(site.sei.received) > 2)
        with held(site.ledger):
            time.sleep(6)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert len(site.sei.received) == JOBS + 1


def test_many_writes_in_a_row_do_not_wait_each(tmp_path: Path) -> None:
    """Only the first one does; when the ledger is free, one that fails waits again."""
    with Ledger(tmp_path / "ledger.db", wait=0.5) as ledger:
        with held(ledger.path):
            for _ in range(200):
                with pytest.raises(LedgerBusy):
                    ledger.controllers.get("main", 0)
            assert timeout(ledger) == 0
        ledger.controllers.get("main", 0)
        assert timeout(ledger) == 500


def timeout(ledger: Ledger) -> int:
    """Milliseconds that a statement waits."""
    (row,) = ledger.file.rows("pragma busy_timeout")
    return int(row["timeout"])


def queued(ledger: Path) -> int:
    """Deliveries that wait, as far as there is a ledger."""
    try:
        with contextlib.closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as conn:
            query = "select count(*) from delivery where state = 'queued'"
            return int(conn.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
