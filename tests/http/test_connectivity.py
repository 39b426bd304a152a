"""The way to the servers goes and comes back: certificates expire, names no longer resolve, and any
answer may be any other. The real process lives through it and says what is wrong."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import trustme

from tests.support.day_of_faults import Life, uid
from tests.support.random_faults import RandomFaults
from tests.support.site import Site, clean_environ
from tests.support.tls_and_proxy import Wire, to
from tests.support.waiting import wait_for

WITH_OWN_NAMES = (
    'mount --bind "$NAMES" /etc/hosts && mount --bind "$RESOLVER" /etc/resolv.conf && exec "$@"'
)


def last_error(site: Site) -> str:
    """What the ledger says of the controller; nothing before the first poll."""
    if not site.ledger.exists():
        return ""
    with contextlib.closing(sqlite3.connect(f"file:{site.ledger}?mode=ro", uri=True)) as conn:
        try:
            rows = conn.execute("select last_error from controller").fetchall()
        except sqlite3.OperationalError:  # just being made
            rows = []
    return str(rows[0][0]) if rows else ""


def drop_connections(site: Site) -> None:
    """Both servers are started anew."""
    for server in (site.jenkins_server, site.sei_server):
        server.stop()
        server.start()


def test_certificates_expire_and_are_renewed(site: Site) -> None:
    """On both sides, in the middle of it: refused, told with the cure, and taken up again."""
    authority = trustme.CA()
    ca_file = site.directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with (
        Wire(to(site.jenkins_server.port), tls) as jenkins,
        Wire(to(site.sei_server.port), tls) as sei,
    ):
        site.configure(
            site.controller(
                url=f"https://localhost:{jenkins.port}/", ca_file=str(ca_file), every="1s"
            ),
            base_url=f"https://localhost:{sei.port}/sei/api/v1",
            ca_file=str(ca_file),
        )
        site.jenkins.job("app").build()
        with site.start("run") as service:
            wait_for(lambda: len(site.sei.runs) == 1)
            expired = datetime.now(UTC) - timedelta(seconds=1)
            authority.issue_cert("localhost", not_after=expired).configure_cert(tls)
            drop_connections(site)
            site.jenkins.job("app").build()
            wait_for(lambda: "certificate has expired" in last_error(site))
            assert len(site.sei.runs) == 1
            authority.issue_cert("localhost").configure_cert(tls)
            wait_for(lambda: len(site.sei.runs) == 2)
            service.terminate()
            _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert "Traceback" not in err
    assert "TLS: certificate has expired" in err
    assert "have the certificate renewed" in err


@pytest.fixture
def names(site: Site) -> Path:
    """An `/etc/hosts` of the test's own."""
    path = site.directory / "hosts"
    path.write_text("127.0.0.1 localhost jenkins.test sei.test\n")
    return path


@pytest.fixture
def service(site: Site, names: Path) -> Iterator[subprocess.Popen[str]]:
    """The service in a mount namespace where names come from that file alone."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"]).returncode:
        pytest.skip("no mount namespaces here")
    resolver = site.directory / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    jenkins, sei = site.jenkins_server.port, site.sei_server.port
    site.configure(
        site.controller(url=f"http://jenkins.test:{jenkins}/", allow_http=True, every="1s"),
        base_url=f"http://sei.test:{sei}/sei/api/v1",
        allow_http=True,
    )
    own = {"NAMES": str(names), "RESOLVER": str(resolver)}
    command = [sys.executable, "-m", "poller", "--config", str(site.config), "run"]
    with subprocess.Popen(
        [*unshare, "sh", "-c", WITH_OWN_NAMES, "sh", *command],
        env={**clean_environ(), **site.environ, **own},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


def test_names_go_and_come_back(site: Site, names: Path, service: subprocess.Popen[str]) -> None:
    """DNS is away for both sides, and then for none. What is connected goes on meanwhile, and for
    ten seconds an address is remembered."""

    def is_missed() -> bool:
        drop_connections(site)
        time.sleep(0.5)
        return "does not resolve" in last_error(site)

    site.jenkins.job("app").build()
    wait_for(lambda: len(site.sei.runs) == 1)
    there = names.read_text()
    names.write_text("127.0.0.1 localhost\n")
    wait_for(is_missed, 60)
    site.jenkins.job("app").build()
    time.sleep(1.5)
    assert len(site.sei.runs) == 1
    names.write_text(there)
    wait_for(lambda: len(site.sei.runs) == 2, 60)
    service.terminate()
    _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert "Traceback" not in err
    assert "does this machine's DNS know it?" in err


def test_a_name_that_nobody_knows_is_cured_by_a_reload(site: Site) -> None:
    """Without a restart, by a config with the right one."""
    site.configure(site.controller(url="https://jenkins.invalid/", every="1s"))
    site.jenkins.job("app").build()
    with site.start("run") as service:
        wait_for(lambda: "does not resolve" in last_error(site))
        site.configure(site.controller(every="1s"))
        service.send_signal(signal.SIGHUP)
        wait_for(lambda: len(site.sei.runs) == 1)
        service.terminate()
        _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert "Traceback" not in err


def test_the_service_lives_through_it(site: Site) -> None:
    """The real process: no restart, no traceback, and when the weather clears all is there."""
    site.configure(site.controller(every="1s", timeout="1s"), timeout="1s")
    weathers = [RandomFaults(0.2, seed, slow=3.0, trickle=0.5) for seed in (1, 2)]
    site.jenkins.faults.append(weathers[0])
    site.sei.faults.append(weathers[1])
    life = Life(site.jenkins, Random(5))
    with site.start("run") as service:
        end = time.monotonic() + 60
        while min(sum(weather.seen.values()) for weather in weathers) < 5:
            assert time.monotonic() < end
            life.minute()
            assert service.poll() is None, "it ended"
            time.sleep(0.1)
        for build in list(site.jenkins.running):
            build.finish()
        site.jenkins.clear_faults()
        site.sei.clear_faults()
        wait_for(lambda: len(site.sei.runs) == life.built, 120)
        service.terminate()
        _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert "Traceback" not in err
    received = Counter(uid(run) for run in site.sei.received)
    spoilt = Counter(uid(run) for run in site.sei.spoilt)
    assert all(count <= 1 + spoilt[name] for name, count in received.items())
