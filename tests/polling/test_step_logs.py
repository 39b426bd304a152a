"""Logs of failed steps, by whichever plugin gives them, and what they say of the failure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poller.demo.faults import Answer, Request
from poller.demo.jenkins.consoles import Console, LongLog
from poller.demo.jenkins.stages import Stage, Step
from poller.ledger import Ledger
from poller.ledger.logs.failures import FirstCause
from poller.ledger.logs.steps import StepLogRow
from poller.polling.extras.failures import MOST_LOGS
from tests.support.site import Site

SECRET = "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB"
BOOM = "src/cart.c:41:9: error: <totl> undeclared\n"
NEWEST = {"wfapi": 238, "graph-view": 877, "blue-ocean": 1}
CODE = {"message": "script returned exit code 2", "type": "hudson.AbortException"}


@pytest.fixture(params=["wfapi", "graph-view", "blue-ocean"])
def plugin(request: pytest.FixtureRequest, site: Site) -> str:
    """The one that tells of stages; the site keeps logs of builds that failed."""
    site.jenkins.plugins = {request.param: NEWEST[request.param]}
    site.configure(site.controller(logs="failed"))
    plugin: str = request.param
    return plugin


def fails(site: Site, log: Console, console: str = "", job: str = "app") -> None:
    """A build whose second stage fails in its second step, which wrote ``log``."""
    step = Step(status="FAILURE", error=CODE, log=log)
    stages = [
        Stage("Checkout", [Step(log="cloned\n")]),
        Stage("Build", [Step(log="prepared\n"), step], "FAILURE", CODE),
    ]
    build = site.jenkins.job(job).start(stages=stages)
    build.log = build.log + console
    build.finish("FAILURE", build.usual_duration())


def kept(site: Site) -> tuple[list[StepLogRow], list[str], FirstCause | None]:
    """What the ledger has of the newest build: its step logs, their texts, and its cause."""
    with Ledger(site.ledger, read_only=True) as ledger:
        (newest,) = ledger.file.rows("select max(id) as id from build")
        rows = ledger.step_logs.of_build(newest["id"])
        texts = [ledger.step_logs.text(newest["id"], row.place).decode() for row in rows]
        return rows, texts, ledger.failures.cause(newest["id"])


def asked_for_logs(site: Site) -> int:
    """Requests for logs of steps."""
    return sum(is_step_log(one) for one in site.jenkins.requests)


def is_step_log(request: Request) -> bool:
    """Whichever plugin is asked."""
    return request.path.rstrip("/").endswith("/log")


def answer_logs(site: Site, answer: Answer) -> None:
    """From now on, whoever asks for the log of a step gets this."""
    site.jenkins.faults.append(lambda request: answer if is_step_log(request) else None)


def once(site: Site) -> None:
    """It sends all there is."""
    result = site.run("once")
    assert result.returncode == 0, result.stderr


def test_the_log_of_the_failed_step_is_kept(site: Site, plugin: str) -> None:
    """Of each plugin the same text, masked, with the line that explains the failure."""
    fails(site, f"+ make\npushing with {SECRET} to https://git.example/a?b=1&c=2\n{BOOM}")
    once(site)
    (row,), (text,), cause = kept(site)
    assert (row.source, row.of.stage_name, row.of.step_name) == (plugin, "Build", "Shell Script")
    assert (row.of.result, row.read_error, row.left_out) == ("FAILURE", None, 0)
    assert text == f"+ make\npushing with **** to https://git.example/a?b=1&c=2\n{BOOM}"
    assert cause == FirstCause(BOOM.strip(), "compiler", row.of, 0, 3)
    assert asked_for_logs(site) == 1


def test_a_build_that_is_well_is_asked_for_nothing(site: Site, plugin: str) -> None:
    """Nor is one for whose logs the config does not ask; its stages say what they know."""
    site.jenkins.job("app").build()
    once(site)
    assert kept(site) == ([], [], None)
    site.configure(site.controller(logs="none"))
    fails(site, BOOM)
    once(site)
    rows, _, cause = kept(site)
    assert (rows, asked_for_logs(site)) == ([], 0)
    assert (cause is not None) == (plugin == "wfapi")


def test_a_long_log_is_kept_by_its_end(site: Site, plugin: str) -> None:
    """In bounded memory. Where it was cut nothing is kept of a line, nor of a private key."""
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "QUJD" * 16 + "\n"
    log = LongLog(
        20_000, 33, lambda number: key.split("\n")[min(number, 1)],
        "-----END RSA PRIVATE KEY-----\n" + BOOM,
    )  # fmt: skip
    fails(site, log)
    once(site)
    (row,), (text,), cause = kept(site)
    assert row.source == plugin
    assert "QUJD" not in text or plugin == "graph-view"  # it has all, and knows where it began
    assert text.endswith(BOOM)
    assert cause is not None
    assert cause.category == "compiler"


def test_one_that_never_ends_holds_nothing_back(site: Site, plugin: str) -> None:
    """What the console says of it is kept instead; other logs are not waited for."""
    site.configure(site.controller(logs="failed", timeout="1s"))
    console = (
        f"[Pipeline] {{ (Build)\n[Pipeline] sh\nprepared\n[Pipeline] sh\n{BOOM}"
        "[Pipeline] }\n[Pipeline] // stage\nERROR: script returned exit code 2\n"
    )
    fails(site, BOOM, console)
    text = Answer(200, b"x\n" * 99, {"Content-Type": "text/plain"}, trickle=0.2)
    page = Answer(200, b'{"text":"', {"Content-Type": "application/json"}, stall=60)
    answer_logs(site, page if plugin == "wfapi" else text)
    once(site)
    (row,), (text_kept,), cause = kept(site)
    assert (row.source, text_kept) == ("console", BOOM)
    assert cause == FirstCause(BOOM.strip(), "compiler", row.of, 0, 1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, b"boom", {"Content-Type": "text/plain"}),
        Answer(403, b"no", {"Content-Type": "text/html"}),
        Answer(404, b"no", {"Content-Type": "text/html"}),
        Answer(200, b"<html>login</html>", {"Content-Type": "text/html"}),
        Answer(200, b"\x00\xff" * 99, {"Content-Type": "application/octet-stream"}),
        Answer(200, b'{"text":7}', {"Content-Type": "application/json"}),
        Answer(None, break_off=True),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:12]!r}",
)
def test_one_that_cant_be_had_is_cut_out_of_the_console(
    site: Site, plugin: str, answer: Answer
) -> None:
    """By the times that stand before its lines, where ``[Pipeline]`` marks tell nothing."""
    del plugin
    began = 1_767_600_000_000
    step = Step(status="FAILURE", error=CODE, log=BOOM)
    build = site.jenkins.job("app").start(
        timestamp=began, stages=[Stage("Build", [Step(), step], "FAILURE", CODE)]
    )
    build.log += (
        "[2026-01-05T08:00:00.010Z] prepared\n"
        "[2026-01-05T08:00:00.150Z] [Pipeline] sh\n"
        f"[2026-01-05T08:00:00.160Z] {BOOM}"
        "[2026-01-05T08:00:09.000Z] later\n"
    )
    build.finish("FAILURE", 300)
    answer_logs(site, answer)
    once(site)
    (row,), (text,), cause = kept(site)
    assert (row.source, text) == ("console", f"[2026-01-05T08:00:00.160Z] {BOOM}")
    assert cause is not None
    assert (cause.cause, cause.category) == (BOOM.strip(), "compiler")


def test_where_nothing_tells_the_end_of_the_console_stands_for_it(site: Site) -> None:
    """Once a build: it would be the same for each step."""
    site.configure(site.controller(logs="failed"))
    branches = [Stage(f"t{n}", [Step(status="FAILURE", log="x\n")], "FAILURE") for n in range(2)]
    build = site.jenkins.job("app").start(stages=[Stage("T", inner=branches, parallel=True)])
    build.log += f"[Pipeline] parallel\n{BOOM}"
    build.finish("FAILURE", 300)
    answer_logs(site, Answer(500, b"", {"Content-Type": "text/plain"}))
    once(site)
    (first, second), (text, nothing), _ = kept(site)
    assert (first.source, first.read_error) == ("console", None)
    assert (second.read_error or "").startswith("not asked for")
    assert text.endswith(f"{BOOM}Finished: FAILURE\n")
    assert nothing == ""


def test_odd_texts_are_kept_as_text(site: Site, plugin: str) -> None:
    """Colours, hidden notes, bytes of another encoding, NULs, no newline at the end."""
    log = "\x1b[31mred\x1b[0m \x1b[8mha:////4GyTAAAA=\x1b[0mnote\x00\x07 \udcff\udcfe gr\u00f6\u00dfe & <b>"
    fails(site, log)
    once(site)
    _, (text,), _ = kept(site)
    assert text == "red note \ufffd\ufffd gr\u00f6\u00dfe & <b>\n"
    assert plugin


def test_a_step_that_wrote_nothing_has_no_log(site: Site, plugin: str) -> None:
    """What its stage says of the error explains the failure where a plugin tells it."""
    fails(site, "")
    once(site)
    rows, _, cause = kept(site)
    assert rows == []
    assert plugin != "wfapi" or (cause is not None and cause.cause == CODE["message"])


def test_of_many_failed_steps_a_few_are_asked_for(site: Site, plugin: str) -> None:
    """Those that failed first."""
    branches = [
        Stage(f"t{n}", [Step(status="FAILURE", duration=100 + n, log=f"t{n}\n")], "FAILURE")
        for n in range(12)
    ]
    site.jenkins.job("app").build(
        stages=[Stage("Tests", inner=branches, parallel=True)], result="FAILURE"
    )
    once(site)
    rows, texts, _ = kept(site)
    assert texts == [f"t{n}\n" for n in range(MOST_LOGS)]
    assert {row.source for row in rows} == {plugin}
    assert asked_for_logs(site) == MOST_LOGS


def test_a_stage_without_steps_has_the_end_of_the_console(site: Site) -> None:
    """Of wfapi, which has no log of a stage."""
    site.configure(site.controller(logs="failed"))
    build = site.jenkins.job("app").start(stages=[Stage("Throws", (), "FAILURE", CODE)])
    build.log += "java.lang.IllegalStateException: no such host\n"
    build.finish("FAILURE", 300)
    once(site)
    (row,), (text,), cause = kept(site)
    assert (row.of.stage_name, row.of.step, row.source) == ("Throws", None, "console")
    assert "IllegalStateException" in text
    assert cause is not None
    assert cause.category == "exception"


def test_freestyle_builds_have_a_cause(site: Site) -> None:
    """Of their console log."""
    site.configure(site.controller(logs="failed"))
    build = site.jenkins.job("old", kind="freestyle").start()
    build.log += f"{BOOM}Build step 'Execute shell' marked build as failure\n"
    build.finish("FAILURE", 300)
    once(site)
    assert kept(site) == ([], [], FirstCause(BOOM.strip(), "compiler", line=2))


def report(cases: int = 3, text: str = "expected 3") -> list[dict[str, Any]]:
    """A suite of so many tests; the second failed."""
    return [{"name": "shop", "cases": [
        {
            "className": "shop.CartTest", "name": f"total{n}", "duration": 0.012,
            "status": "REGRESSION" if n == 1 else "PASSED",
            "errorDetails": text if n == 1 else None,
            "errorStackTrace": f"at {text}" if n == 1 else None,
        }
        for n in range(cases)
    ]}]  # fmt: skip


def failed_tests(site: Site) -> list[dict[str, Any]]:
    """The view."""
    with Ledger(site.ledger, read_only=True) as ledger:
        return ledger.file.rows("select * from test_failures")


def test_failed_tests_are_kept(site: Site) -> None:
    """Masked, and made fit to be XML."""
    site.configure(site.controller(tests="cases"))
    build = site.jenkins.job("app").start()
    build.report_tests(report(text=f"expected \x00\x1b[31m3\x0b \ufffe {SECRET}"))
    build.finish("UNSTABLE", 300)
    once(site)
    (row,) = failed_tests(site)
    told = {key: row[key] for key in ("suite", "class_name", "name", "status", "duration_ms")}
    assert told == {
        "suite": "shop", "class_name": "shop.CartTest", "name": "total1", "status": "REGRESSION",
        "duration_ms": 12,
    }  # fmt: skip
    assert row["message"] == "expected 3  ****"
    _, _, cause = kept(site)
    assert cause == FirstCause("1 of 3 tests failed", "tests")
    (run,) = site.sei.received
    assert {"TEST_TOTAL", "TEST_FAILED"} <= {one["name"] for one in run["job_run_params"]}


def test_where_no_test_failed_no_report_is_asked_for(site: Site) -> None:
    """The build's own record tells."""
    site.configure(site.controller(tests="cases"))
    build = site.jenkins.job("app").start()
    build.report_tests([{"name": "s", "cases": [{"name": "a", "status": "PASSED"}]}])
    build.finish("SUCCESS", 300)
    once(site)
    assert failed_tests(site) == []
    assert not any("testReport" in one.path for one in site.jenkins.requests)


def test_of_a_report_too_large_the_names_are_kept(site: Site) -> None:
    """It is not read to its end."""
    site.configure(site.controller(tests="cases"))
    build = site.jenkins.job("app").start()
    suites = report(40)
    for case in suites[0]["cases"]:
        case["errorDetails"] = "x" * 500_000
    build.report_tests(suites)
    build.finish("UNSTABLE", 300)
    once(site)
    (row,) = failed_tests(site)
    assert (row["name"], row["message"]) == ("total1", "")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"suites":7}', json.dumps({"suites": [{"cases": [7]}]}).encode()],
)
def test_a_report_that_is_none_holds_nothing_back(site: Site, body: bytes) -> None:
    """The run goes without, and says so."""
    site.configure(site.controller(tests="cases"))
    build = site.jenkins.job("app").start()
    build.report_tests(report())
    build.finish("UNSTABLE", 300)
    site.jenkins.fail(
        "*testReport*", status=200, body=body, headers={"Content-Type": "application/json"}
    )
    once(site)
    assert failed_tests(site) == []
    assert len(site.sei.received) == 1
    (controller,) = site.read("status")["controllers"]
    assert controller["incomplete"]


def test_a_wrong_value_of_a_report_costs_that_value(site: Site) -> None:
    """Not the report: JSON has no NaN, and some plugins have no names."""
    site.configure(site.controller(tests="cases"))
    build = site.jenkins.job("app").start()
    build.report_tests(report())
    build.finish("UNSTABLE", 300)
    case = {"status": "FAILED", "name": [], "duration": "NaN", "errorDetails": 7}
    found = {"suites": [None, {"name": 5, "cases": [None, case]}], "childReports": None}
    headers = {"Content-Type": "application/json"}
    site.jenkins.fail("*testReport*", status=200, body=json.dumps(found), headers=headers)
    once(site)
    (row,) = failed_tests(site)
    told = [row[key] for key in ("suite", "name", "status", "duration_ms", "message")]
    assert told == ["", "", "FAILED", 0, ""]
