"""Whether a controller is late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from poller.config.servers import ControllerConfig
from poller.http.breaker import Breaker, BreakerState
from poller.status.health import deadline, interval, overdue
from tests.status.conftest import serve
from tests.support.site import GUID, Site

MINUTE, HOUR = 60_000, 3_600_000


def controller(**keys: Any) -> ControllerConfig:
    """One as a config has it."""
    return ControllerConfig(
        name="main", url="https://jenkins/", user="u", token_env="T", instance_guid=GUID, **keys
    )


def at(text: str) -> int:
    """Epoch milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_three_intervals() -> None:
    """Late is later than the third poll that is due."""
    polled = controller(every="60s")
    assert overdue(polled, 0, None, Breaker(), 3 * MINUTE) is None
    assert overdue(polled, 0, "why", Breaker(), 3 * MINUTE + 1) is not None


@pytest.mark.parametrize(
    ("cron", "last", "third"),
    [
        ("*/5 * * * *", "2026-11-24T10:02", "2026-11-24T10:15"),
        ("0 3 * * *", "2026-11-24T03:00", "2026-11-27T03:00"),
        # Fridays' last answer is good until the third poll of Monday.
        ("0 8-10 * * mon-fri", "2026-11-20T10:00:05", "2026-11-23T10:00"),
    ],
)
def test_a_cron_line_is_walked(cron: str, last: str, third: str) -> None:
    """Its third time after the last answer, whatever the gaps between."""
    assert at(third) == deadline(controller(cron=cron), at(last))


def test_the_interval_of_a_cron_line_is_its_longest_gap_ahead() -> None:
    """So that an alert on three of them does not go off at night."""
    assert interval(controller(cron="*/5 * * * *"), at("2026-11-24T10:00")) == 5 * MINUTE
    line = controller(cron="0 8-10 * * *")
    assert interval(line, at("2026-11-24T09:30")) == 22 * HOUR


@pytest.mark.parametrize("day", [23, 24, 25, 26, 27, 28, 29])
def test_never_polled_is_late(day: int) -> None:
    """At any time, and said as it is."""
    now = at(f"2026-11-{day}T12:00")
    found = overdue(controller(cron="0 3 * * *"), None, None, Breaker(), now)
    assert found is not None
    assert found.words(0) == "main: not polled yet"


def test_what_is_left_alone_says_so() -> None:
    """And when it is tried again, before the reason."""
    open_since = Breaker(BreakerState.OPEN, since=1, next_try=4 * MINUTE + 12_000, why="HTTP 502")
    found = overdue(controller(every="60s"), 0, "HTTP 502", open_since, 4 * MINUTE)
    assert found is not None
    assert found.words(4 * MINUTE) == (
        "main: no answer for 4 min; circuit open, tried again in 12 s, or at once by"
        " `sei-poller now`: HTTP 502"
    )


def test_health_follows_jenkins(site: Site) -> None:
    """200 while it answers; 503 with the reason after three intervals without; 200 again."""
    site.jenkins.job("app").build()
    with serve(site) as service:
        service.wait_polled()
        assert service.get("/healthz").text == "ok\n"
        site.jenkins.fail(status=500)
        service.wait(lambda: service.get("/healthz").status_code == 503)
        sick = service.get("/healthz").text
        assert sick.startswith("main: no answer for ")
        assert "HTTP 500" in sick
        assert service.get("/livez").status_code == 200
        page = service.get("/").text
        assert "main has not answered for" in page
        assert "sei-poller check" in page
        site.jenkins.clear_faults()
        service.wait_polled()


def test_what_is_asked_for_again_is_on_the_page(site: Site) -> None:
    """By kind and by reason, as `status` has it; and how to have it asked at once."""
    site.jenkins.job("app").build()
    site.jenkins.job("lost").build()
    site.jenkins.job("lost").next_build_number = 3
    site.jenkins.fail("/job/app/1/wfapi/*", status=500)
    site.run("once")
    site.look_again(5)
    site.jenkins.job("lost").next_build_number = 4
    with serve(site) as service:
        service.wait(lambda: "sei-poller now</code>: 1 absent<" in service.get("/").text)
        assert "looked at again for a week: 1 stages<" in service.get("/").text
