"""`now` and `once --now`: what waits for its time is asked at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from poller.core.now_request import make_request, request_file, take_requests
from tests.status.conftest import serve
from tests.support.site import Site
from tests.support.waiting import wait_for

AN_HOUR = "1h"


def test_once_now_asks_for_a_job_that_was_put_off(site: Site) -> None:
    """Which `once` leaves alone until its time; and says how to have it asked."""
    site.jenkins.job("app").build()
    site.jenkins.fail("/job/app/*", status=500)
    result = site.run("once")
    assert result.returncode == 75
    assert "once --now" in result.stderr
    site.jenkins.clear_faults()
    assert site.run("once").returncode == 0
    assert site.sei.received == []
    assert site.run("once", "--now").returncode == 0
    assert len(site.sei.received) == 1


def test_the_service_asks_at_once(site: Site) -> None:
    """A controller and a sink that are back long before they would be tried again; a job, too."""
    site.configure(site.controller(every=AN_HOUR))
    site.jenkins.job("app").build()
    site.jenkins.job("web").build()
    site.jenkins.fail("/job/web/*", status=500)
    site.sei.fail(status=401)
    with site.start("run") as service:
        wait_for(lambda: ledger_says(site, "sei", "open"))
        assert "at once by `sei-poller now`" in site.run("status").stdout
        site.sei.clear_faults()
        site.jenkins.clear_faults()
        result = site.run("now")
        assert (result.returncode, result.stderr) == (0, "")
        assert "the service asks all controllers and sinks now" in result.stdout
        wait_for(lambda: len(site.sei.runs) == 2)
        service.terminate()
        _, err = service.communicate(timeout=60)
    lines = [json.loads(line) for line in err.splitlines()]
    asked = [line for line in lines if line["event"] == "asked_now"]
    assert {(one.get("controller"), one.get("sink")) for one in asked} == {
        ("main", None), (None, "sei"),
    }  # fmt: skip
    (opened,) = [line for line in lines if line["event"] == "delivery_failed"]
    assert opened["at_once_by"] == "sei-poller now"


def ledger_says(site: Site, sink: str, state: str) -> bool:
    """Whether the breaker of a sink is in that state."""
    status = site.run("status", "--json")
    if status.returncode:
        return False
    found = json.loads(status.stdout)["sinks"].get(sink)
    return bool(found and found["breaker"]["state"] == state)


def test_one_controller_whose_circuit_is_open(site: Site) -> None:
    """Only that one is asked; it answers again, and its builds are sent."""
    site.configure(site.controller(every="1s"))
    site.jenkins.job("app").build()
    site.jenkins.fail("*", status=503, headers={"Retry-After": "3000"})
    with site.start("run") as service:
        wait_for(lambda: site.run("status").returncode == 0 and breakers_open(site))
        site.jenkins.clear_faults()
        assert site.read("now", "--controller", "main")["taken"] is True
        wait_for(lambda: len(site.sei.runs) == 1)
        service.terminate()
        service.communicate(timeout=60)


def breakers_open(site: Site) -> bool:
    """Whether the controller is not asked."""
    return bool(site.read("status")["controllers"][0]["breaker"]["state"] == "open")


def test_a_request_during_a_poll_has_it_polled_once_more(site: Site) -> None:
    """What the poll had passed by already is asked for, too."""
    site.jenkins.job("app").build()
    with serve(site, site.controller(every=AN_HOUR)) as service:
        service.wait_polled()
        before = len(trees(site))
        site.jenkins.fail("/computer/api/json", status=None, delay=4.0)
        assert site.run("now").returncode == 0
        service.wait(lambda: len(trees(site)) > before)
        assert site.run("now").returncode == 0
        service.wait(lambda: len(trees(site)) > before + 1)


def trees(site: Site) -> list[Any]:
    """The requests for the item tree."""
    return [request for request in site.jenkins.requests if request.path == "/api/json"]


def test_without_a_service(site: Site) -> None:
    """It says so, and what to do; nothing is left behind for a later one."""
    assert site.run("once").returncode == 0
    result = site.run("now")
    assert result.returncode == 1
    assert "no service runs on" in result.stdout
    assert "once --now" in result.stdout
    assert not request_file(site.ledger).exists()
    assert site.run("now", "--controller", "other").returncode == 64


def test_beside_a_once_it_is_not_taken(site: Site) -> None:
    """`once` does what it began with; the request does not stay."""
    site.jenkins.job("app").build()
    site.sei.fail(status=None, delay=14.0)
    site.configure(timeout="20s")
    with site.start("once") as process:
        wait_for(lambda: bool(site.jenkins.requests))
        result = site.run("now")
        assert process.wait(60) == 0
    assert result.returncode == 1
    assert "has not taken it" in result.stdout
    assert not request_file(site.ledger).exists()


def test_each_request_is_taken_once(tmp_path: Path) -> None:
    """Of whoever makes one; what is none is left out, and the file is for its user alone."""
    ledger = tmp_path / "ledger.db"
    assert take_requests(ledger) == []
    make_request(ledger, "main")
    make_request(ledger, None)
    assert os.stat(request_file(ledger)).st_mode & 0o777 == 0o600
    with request_file(ledger).open("a") as file:
        file.write('no json\n{"a": 1}\n[]\n')
    assert take_requests(ledger) == ["main", None]
    assert take_requests(ledger) == []


@pytest.mark.parametrize("text", ["", "\0", "\xff" * 100_000])
def test_a_file_that_is_none_asks_for_nothing(tmp_path: Path, text: str) -> None:
    """And it is gone then."""
    ledger = tmp_path / "ledger.db"
    request_file(ledger).write_bytes(text.encode("latin-1"))
    assert take_requests(ledger) == []
    assert not request_file(ledger).exists()
