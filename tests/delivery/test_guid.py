"""SEI takes runs of an instance GUID that it does not know, and drops them: they wait."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable

from poller.delivery.instances import guid_state
from poller.http.errors import HttpResponse
from tests.support.site import GUID, Site
from tests.support.waiting import wait_for


def asked_long_ago(site: Site) -> None:
    """The next pass may ask again."""
    with sqlite3.connect(site.ledger) as conn:
        conn.execute("update instance set asked_at = 0")
    conn.close()


def served_until(site: Site, done: Callable[[], bool]) -> None:
    """The service, until something is so."""
    with site.start("run") as process:
        wait_for(done)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def asked(site: Site) -> int:
    """How often SEI was asked for a GUID."""
    return sum(one.method == "GET" for one in site.sei.requests)


def problem(site: Site) -> str | None:
    """What `status` says of the GUID."""
    told: str | None = site.read("status")["controllers"][0]["guid_problem"]
    return told


def test_runs_wait_until_sei_knows_the_guid(site: Site) -> None:
    """Said by `once` and `status`; nothing is sent meanwhile, and nothing is lost."""
    site.sei.guids = guids = set()
    site.jenkins.job("app").build()
    served_until(site, lambda: asked(site) == 2)
    assert GUID in str(problem(site))
    result = site.run("once")
    assert (result.returncode, site.sei.received) == (75, [])
    assert f"SEI does not know the instance GUID {GUID}" in result.stdout
    assert f"problem: SEI does not know the instance GUID {GUID}" in site.run("status").stdout
    guids.add(GUID)
    asked_long_ago(site)
    assert site.run("once").returncode == 0
    assert (len(site.sei.received), problem(site)) == (1, None)


def test_they_are_sent_all_the_same_where_the_config_says_so(site: Site) -> None:
    """The problem is said as well."""
    site.sei.guids = set()
    site.configure(wait_for_guid=False)
    site.jenkins.job("app").build()
    served_until(site, lambda: len(site.sei.received) == 1)
    assert problem(site)


def test_a_receiver_that_can_not_be_asked_gets_its_runs(site: Site) -> None:
    """It has no such endpoint, is a page, or is away just then."""
    site.jenkins.job("app").build()
    site.run("once")
    for number, (status, body) in enumerate(
        ((404, "{}"), (404, "default backend - 404"), (405, ""), (501, ""), (500, ""),
         (200, "<html>")),
        2,
    ):  # fmt: skip
        site.sei.clear_faults()
        site.sei.fail("*/cicd/instances*", status=status, body=body)
        site.jenkins.job("app").build()
        asked_long_ago(site)
        served_until(site, lambda: len(site.sei.received) == number)  # noqa: B023
        assert problem(site) is None


def test_the_service_asks_once_a_day(site: Site) -> None:
    """Not with each pass, nor at each start; a command does not ask."""
    for number in range(1, 4):
        site.jenkins.job("app").build()
        served_until(site, lambda: len(site.sei.received) == number)  # noqa: B023
    assert asked(site) == 1
    asked_long_ago(site)
    site.run("once")
    assert asked(site) == 1


def test_what_an_answer_says_of_a_guid() -> None:
    """An ingress says 404 as well."""
    for status, body, state in (
        (200, b'{"id":"x"}', "known"), (200, b"<html>", "unclear"),
        (200, b'{"error":"x"}', "unclear"), (404, b'{"error":"Not Found"}', "unknown"),
        (404, b"default backend - 404", "unclear"), (503, b"{}", "unclear"),
    ):  # fmt: skip
        assert guid_state(HttpResponse(status, {}, body)) == state
