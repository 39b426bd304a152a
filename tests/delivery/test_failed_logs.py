"""Failed builds go to SEI with their logs, and never worse than without them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from random import Random
from typing import Any

import pytest

from poller.config.load import load
from poller.context import open_context
from poller.core.times import now_ms
from poller.delivery.failed_logs.plugin_form import REPORTS
from poller.demo.jenkins.stages import Stage, Step
from poller.demo.sei import form_parts, unzipped
from poller.polling.cycle import poll
from tests.support.site import GUID, Site

NEWEST = {"wfapi": 238, "graph-view": 877, "blue-ocean": 1}
FORM, RUNS = "*/generic-requests/multipart", "*/custom-cicd"


@pytest.fixture
def site(site: Site) -> Site:
    """Its failed builds are sent with their logs."""
    site.configure(logs="failed")
    return site


def fail(site: Site, name: str, log: str = "boom\n", result: str = "FAILURE") -> None:
    """One more build of a job, which fails."""
    build = site.jenkins.job(name).start()
    build.log = log
    build.finish(result, 5)


def paths(site: Site) -> list[str]:
    """What was sent how, in order."""
    return [one.path.rpartition("/")[2] for one in site.sei.requests if one.method == "POST"]


def told(site: Site) -> dict[str, Any]:
    """What `status` says of the sink."""
    said: dict[str, Any] = site.read("status")["sinks"]["sei"]
    return said


def delivered(site: Site) -> int:
    """How many runs are."""
    count: int = site.read("status")["controllers"][0]["sinks"]["sei"]["delivered"]
    return count


def passes(site: Site, count: int) -> None:
    """A poll, and so many passes over the queue, a minute between two of them."""
    now = now_ms()

    async def main() -> None:
        nonlocal now
        async with open_context(
            load(site.config, site.environ), site.environ, clock=lambda: now
        ) as context:
            await poll(context.controllers[0])
            for _ in range(count):
                await context.senders[0].run_pass()
                now += 60_000

    asyncio.run(main())


def test_a_failed_build_goes_with_its_log(site: Site) -> None:
    """Masked; all else is as the documented payload has it. What did not fail has no log."""
    fail(site, "team/app", "password=hunter2-hunter2\nerror: no such file\n")
    site.jenkins.job("team/fine").build()
    site.run("once")
    assert sorted(paths(site)) == ["custom-cicd", "multipart"]
    [files] = site.sei.logs.values()
    run = site.sei.runs[GUID, "team/app", 1]
    assert list(files) == [run["job_run"]["log"]]
    [text] = files.values()
    assert b"error: no such file" in text
    assert b"hunter2" not in text
    documented = json.loads(site.run("preview", "team/app", "1").stdout)
    same = documented.keys() - {"job_run", "execution_id", "web_url"}
    assert {name: run[name] for name in same} == {name: documented[name] for name in same}
    assert delivered(site) == 2
    assert told(site)["without_logs"] == 0


@pytest.mark.parametrize("result", ["UNSTABLE", "ABORTED"])
def test_each_bad_result_counts(site: Site, result: str) -> None:
    """As with the plugin; a build that was not built has nothing to tell."""
    fail(site, "app", result=result)
    fail(site, "other", result="NOT_BUILT")
    site.run("once")
    assert sorted(paths(site)) == ["custom-cicd", "multipart"]


def test_the_plugins_names(site: Site) -> None:
    """Both names follow the controller's setting; each request is what the plugin sends."""
    site.configure(site.controller(job_full_name="plugin"), logs="failed")
    fail(site, "team/app")
    site.run("once")
    [body] = site.sei.forms
    boundary = body[2:].partition(b"\r\n")[0].decode()
    parts = form_parts(f"multipart/form-data; boundary={boundary}", body)
    request = json.loads(parts["json"])
    payload = json.loads(request["payload"])
    assert request["request_type"] == "JenkinsPluginJobRunComplete"
    assert payload["job_full_name"] == "team/jobs/app"
    assert payload["job_normalized_full_name"] == "team/app"
    assert payload["jenkins_instance_guid"] == GUID
    assert not payload.keys() & {"pipeline", "execution_id", "instance_guid"}


def test_sent_again_it_is_the_same_to_the_byte(site: Site) -> None:
    """SEI took it, and the answer was lost: it has one build."""
    fail(site, "app")
    site.sei.hold_answers = True
    site.run("once")
    site.sei.hold_answers = False
    site.run("once")
    assert len(site.sei.forms) >= 2
    assert len(set(site.sei.forms)) == 1
    assert len(site.sei.runs) == delivered(site) == 1
    assert "custom-cicd" not in paths(site)


@pytest.mark.parametrize("status", [404, 405, 401, 403, 415, 301])
def test_a_refusal_of_the_form(site: Site, status: int) -> None:
    """The build goes without, others do not try it; later one does, and logs go again."""
    site.sei.fail(FORM, status=status, body="no such thing")
    fail(site, "app")
    site.run("once")
    fail(site, "app")
    site.run("once")
    assert paths(site) == ["multipart", "custom-cicd", "custom-cicd"]
    assert delivered(site) == len(site.sei.runs) == 2
    assert told(site)["without_logs"] == 2
    assert told(site)["logs_breaker"]["state"] == "open"
    assert "no such thing" in told(site)["logs_breaker"]["why"]
    assert "takes no logs since" in site.run("status").stdout
    site.sei.clear_faults()
    with sqlite3.connect(site.ledger) as conn:
        conn.execute("update breaker set next_try = 0")
    conn.close()
    fail(site, "app")
    site.run("once")
    assert paths(site)[3:] == ["multipart"]
    assert told(site)["logs_breaker"]["state"] == "closed"
    assert told(site)["without_logs"] == 2


def test_now_tries_the_form_too(site: Site) -> None:
    """It waits for its time, as an open circuit of a server does."""
    site.sei.fail(FORM, status=404, times=1)
    fail(site, "app")
    site.run("once")
    fail(site, "app")
    site.run("once", "--now")
    assert paths(site) == ["multipart", "custom-cicd", "multipart"]


def test_skipped_and_tried_again(site: Site) -> None:
    """A skipped build is not sent; a retried one goes with its log, whatever became of it before."""
    site.sei.fail(status=503)
    fail(site, "skipped")
    fail(site, "fails")
    site.run("once")
    site.run("skip", "skipped", "1")
    site.sei.clear_faults()
    site.run("retry", "fails", "1")
    site.run("once")
    assert [name for _, name, _ in site.sei.logs] == ["fails"]
    site.run("retry", "skipped", "1")
    site.run("once")
    assert [name for _, name, _ in site.sei.logs] == ["fails", "skipped"]
    assert "custom-cicd" not in paths(site)


def test_a_log_that_came_late_is_sent_by_resend(site: Site) -> None:
    """Not by itself; and what is sent again once more is the same to the byte."""
    site.configure()
    fail(site, "app")
    site.run("once")
    site.configure(logs="failed")
    site.run("once")
    assert paths(site) == ["custom-cicd"]
    for _ in range(2):
        site.run("resend", "--job", "app")
    assert paths(site) == ["custom-cicd", "multipart", "multipart"]
    assert len(set(site.sei.forms)) == 1


def test_too_large_for_sei(site: Site) -> None:
    """The build goes without, and says so; the next one is another."""
    site.sei.fail(FORM, status=413, body="zip too large", times=1)
    fail(site, "app")
    fail(site, "app")
    site.run("once")
    assert paths(site) == ["multipart", "custom-cicd", "multipart"]
    assert told(site)["without_logs"] == 1
    assert told(site)["logs_breaker"]["state"] == "closed"
    assert told(site)["without_logs_why"] == "HTTP 413: zip too large"
    assert "without their logs: 1, the last: HTTP 413: zip too large" in site.run("status").stdout


def test_what_may_be_the_runs_fault(site: Site) -> None:
    """The documented way says whether it is; of three that it takes, the form was at fault."""
    site.sei.fail(FORM, status=400, body="bad")
    for name in "abc":
        fail(site, name)
    site.run("once")
    assert delivered(site) == 3
    assert told(site)["logs_breaker"]["state"] == "open"
    site.sei.fail(RUNS, status=400, body="bad")
    fail(site, "d")
    site.run("once")
    assert len(site.read("rejected")) == 1


def test_an_error_inside_of_a_yes_is_none(site: Site) -> None:
    """The build stays queued, and is delivered when there is no error any more."""
    inner = json.dumps({"run_ids": [], "error": "no such instance"})
    body = json.dumps({"response_type": "JenkinsPluginJobRunComplete", "payload": inner})
    site.sei.fail(FORM, status=200, body=body, headers={"Content-Type": "application/json"})
    fail(site, "app")
    site.run("once")
    assert delivered(site) == 0
    assert "no such instance" in told(site)["last_error"]
    site.sei.clear_faults()
    site.run("once")
    assert (delivered(site), len(site.sei.forms)) == (1, 1)
    assert "custom-cicd" not in paths(site)


def test_while_sei_is_down_nothing_is_lost(site: Site) -> None:
    """However often it was tried, a build has its log when SEI is back."""
    site.sei.fail(status=503)
    fail(site, "app")
    passes(site, 10)
    site.sei.clear_faults()
    passes(site, 1)
    assert len(site.sei.forms) == delivered(site) == 1
    assert told(site)["logs_breaker"]["state"] == "closed"


def test_a_form_that_always_fails_holds_nothing_back(site: Site) -> None:
    """With nothing but failed builds in the queue, too: each goes without."""
    site.sei.fail(FORM, status=500)
    for name in "abcdefgh":
        fail(site, name)
    passes(site, 8)
    assert len(site.sei.runs) == delivered(site) == 8
    assert told(site)["logs_breaker"]["state"] == "open"


def test_a_connection_that_breaks_with_every_form(site: Site) -> None:
    """As a proxy may do it: the runs go without."""
    site.sei.fail(FORM, status=None, break_off=True)
    for name in "abcd":
        fail(site, name)
    passes(site, 8)
    assert len(site.sei.runs) == delivered(site) == 4


def test_a_form_without_an_answer_is_at_fault_where_runs_are_taken(site: Site) -> None:
    """Each may take as long as an answer may: three are enough."""
    site.sei.fail(FORM, status=None, break_off=True)
    for name in "abcdefgh":
        fail(site, name)
        site.jenkins.job(f"well/{name}").build()
    passes(site, 4)
    assert len(site.sei.runs) == delivered(site) == 16
    assert told(site)["logs_breaker"]["state"] == "open"
    assert paths(site).count("multipart") <= 10


def test_a_form_that_fails_when_it_is_tried_again(site: Site) -> None:
    """Its build goes without at once, whatever it was."""
    site.sei.fail(FORM, status=404, times=1)
    fail(site, "a")
    site.run("once")
    site.sei.fail(FORM, status=500)
    fail(site, "b")
    site.run("once", "--now")
    assert paths(site) == ["multipart", "custom-cicd"] * 2
    assert told(site)["logs_breaker"]["state"] == "open"


def test_too_many_requests_of_the_form_alone(site: Site) -> None:
    """SEI is obeyed for some tries, and then the build goes without."""
    site.sei.fail(FORM, status=429)
    fail(site, "app")
    passes(site, 8)
    assert delivered(site) == len(site.sei.runs) == 1
    assert paths(site) == ["multipart"] * 6 + ["custom-cicd"]


def test_limits(site: Site) -> None:
    """A log keeps its beginning and its end; nothing is referenced that is not there."""
    site.configure(logs="failed", log_limit="4KiB")
    fail(site, "app", "".join(f"line {number}\n" for number in range(2_000)))
    site.run("once")
    [files] = site.sei.logs.values()
    [text] = files.values()
    assert text.startswith(b"line 0\n")
    assert b"\nline 1999\n" in text
    assert b"left out here" in text
    assert len(text) < 4_200


def test_a_large_form_arrives_whole(site: Site) -> None:
    """It goes out bit by bit."""
    site.configure(site.controller(log_limit="16MiB"), logs="failed", log_limit="16MiB")
    chance = Random(1)
    log = "".join(f"{chance.getrandbits(400):0100x}\n" for _ in range(40_000))
    fail(site, "app", log)
    site.run("once")
    [files] = site.sei.logs.values()
    [text] = files.values()
    assert log in text.decode()
    assert len(site.sei.forms[0]) > 2**20


def test_what_a_controller_says_of_its_logs_counts(site: Site) -> None:
    """Where none is kept, none is sent."""
    site.configure(site.controller(logs="none"), logs="failed")
    fail(site, "app")
    site.run("once")
    assert paths(site) == ["custom-cicd"]
    assert told(site)["without_logs"] == 0


def test_without_the_setting(site: Site) -> None:
    """As ever; and a circuit that was open is none any more."""
    site.sei.fail(FORM, status=404)
    fail(site, "app")
    site.run("once")
    site.configure(site.controller(logs="failed"))
    fail(site, "app")
    site.run("once")
    assert paths(site) == ["multipart", "custom-cicd", "custom-cicd"]
    assert told(site)["logs_breaker"]["state"] == "closed"


@pytest.mark.parametrize("plugin", ["wfapi", "graph-view", "blue-ocean"])
def test_a_failed_step_has_its_own_log(site: Site, plugin: str) -> None:
    """And nothing else has one: it is the finest."""
    site.jenkins.plugins = {plugin: NEWEST[plugin]}
    step = Step(status="FAILURE", log="cart.c:41: undeclared\n")
    stages = [Stage("Checkout", [Step(log="cloned\n")]), Stage("Build", [step], "FAILURE")]
    build = site.jenkins.job("app").start(stages=stages)
    build.finish("FAILURE", build.usual_duration())
    site.run("once")
    [files] = site.sei.logs.values()
    checkout, build_stage = site.sei.runs[GUID, "app", 1]["job_run"]["stages"]
    assert [log for one in checkout["steps"] if (log := one.get("log"))] == []
    assert list(files) == [one["log"] for one in build_stage["steps"] if "log" in one]
    assert b"cart.c:41: undeclared" in next(iter(files.values()))


def test_failed_tests_go_too(site: Site) -> None:
    """In a zip of their own inside of the zip."""
    site.configure(site.controller(tests="cases"), logs="failed")
    build = site.jenkins.job("app").start()
    case = {"className": "shop.CartTest", "name": "total", "duration": 0.01, "status": "FAILED"}
    build.report_tests([{"name": "shop", "cases": [{**case, "errorDetails": "expected 3"}]}])
    build.finish("UNSTABLE", 300)
    site.run("once")
    [files] = site.sei.logs.values()
    reports = unzipped(files[REPORTS])
    assert list(reports) == ["TEST-1-shop.xml"]
    assert b'message="expected 3"' in reports["TEST-1-shop.xml"]
