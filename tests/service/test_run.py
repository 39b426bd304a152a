"""`run`: the service, as systemd starts and stops it."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.support.site import Site
from tests.support.waiting import wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_polls_at_once_and_ends_cleanly(site: Site, number: signal.Signals) -> None:
    """The first poll does not wait for an interval; a signal ends it with 0 and nothing half done."""
    site.configure(site.controller(every="1h"))
    site.jenkins.job("app").build()
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        service.send_signal(number)
        _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert "Traceback" not in err
    assert "service_stopped" in err


def test_live_builds_and_an_outage(site: Site) -> None:
    """Builds that finish while it runs arrive; what SEI does not take, later."""
    site.configure(site.controller(every="1s"))
    job = site.jenkins.job("app")
    with site.start("run") as service:
        running = job.start()
        job.build()
        wait_for(lambda: len(site.sei.runs) == 1)
        site.sei.fail(status=503)
        running.finish()
        wait_for(lambda: _queued(site) == 1)
        site.sei.clear_faults()
        wait_for(lambda: len(site.sei.runs) == 2)
        service.terminate()
        _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert len(site.sei.received) == 2


def _queued(site: Site) -> int:
    status = site.run("status", "--json")
    if status.returncode:
        return 0
    return int(site.read("status")["controllers"][0]["sinks"]["sei"]["queued"])


def test_cron_is_polled_at_once_too(site: Site) -> None:
    """And then when the line says."""
    site.configure(site.controller(cron="0 3 * * *"))
    site.jenkins.job("app").build()
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        service.terminate()
        service.communicate(timeout=60)
    assert service.returncode == 0


def test_a_stop_while_sei_is_slow_loses_and_doubles_nothing(site: Site) -> None:
    """What is under way is waited for."""
    for _ in range(10):
        site.jenkins.job("app").build()
    site.sei.fail(status=None, delay=0.5)
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.received) >= 2)
        service.terminate()
        service.communicate(timeout=60)
    assert service.returncode == 0
    site.sei.clear_faults()
    assert site.run("once").returncode == 0
    assert list(range(1, 11)) == [run["build_number"] for run in site.sei.received]


def test_a_controller_that_is_down_does_not_end_the_service(site: Site) -> None:
    """It comes back by itself."""
    site.configure(site.controller(every="1s"))
    site.jenkins.job("app").build()
    site.jenkins_server.stop()
    with site.start("run") as service:
        time.sleep(2)
        assert service.poll() is None
        site.jenkins_server.start()
        wait_for(lambda: len(site.sei.runs) == 1)
        service.terminate()
        service.communicate(timeout=60)
    assert service.returncode == 0


def test_every_line_about_a_controller_or_a_sink_names_it(site: Site) -> None:
    """Whatever goes wrong with it; and the words for people are not the event."""
    site.configure(site.controller(every="1s"), more='[reconcile]\nevery = "1s"\n')
    site.jenkins.job("app").build()
    site.jenkins.job("hidden").build()
    site.jenkins.fail("/job/hidden/*", status=403)
    site.sei.fail(status=503, times=2)
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        site.jenkins_server.stop()
        wait_for(lambda: site.read("status")["controllers"][0]["breaker"]["state"] == "open")
        service.terminate()
        _, err = service.communicate(timeout=60)
    lines = [json.loads(line) for line in err.splitlines()]
    events = {line["event"] for line in lines}
    ours = {event for event in events if event.startswith("service_")}
    assert {"poll_finished", "poll_failed", "job_not_collected", "circuit_opened"} <= events
    assert {"delivery_failed", "delivered"} <= events
    assert all(event.replace("_", "").isalpha() for event in events)
    for line in lines:
        named = line.get("controller") == "main" or line.get("sink") == "sei"
        assert named == (line["event"] not in ours), line


def test_a_second_service_on_one_ledger_refuses(site: Site) -> None:
    """Exit 73 and a sentence; `status` and `preview` beside it are fine."""
    site.jenkins.job("app").build()
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) == 1)
        second = site.run("run")
        assert second.returncode == 73
        assert "another" in second.stderr
        assert site.run("status").returncode == 0
        assert site.run("preview", "app", "1").returncode == 0
        service.terminate()
        service.communicate(timeout=60)
