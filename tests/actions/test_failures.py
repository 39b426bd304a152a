"""Why a build failed: by `logs --cause`, `--stage`, `--step`, `status`, the page and the metrics."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from poller.demo.jenkins.stages import Stage, Step
from tests.status.conftest import serve
from tests.support.site import Site, free_port, simulated

BOOM = "src/cart.c:41:9: error: <totl> undeclared"
TEXT = f"+ make\n{BOOM}\nmake: *** [cart.o] Error 1\n"
CODE = {"message": "script returned exit code 2", "type": "hudson.AbortException"}
CASE = {"className": "CartTest", "name": "total", "status": "FAILED", "errorDetails": "<b>3</b>"}


def fails(site: Site) -> None:
    """A build with two steps that failed, and one test."""
    step = Step(status="FAILURE", error=CODE, log=TEXT)
    caught = Step("Print Message", "UNSTABLE", log="warned\n")
    stages = [Stage("Build", [Step(log="prepared\n"), caught, step], "FAILURE", CODE)]
    build = site.jenkins.job("team/app").start(stages=stages)
    build.report_tests([{"name": "shop", "cases": [CASE]}])
    build.finish("FAILURE", build.usual_duration())


@pytest.fixture
def failed(site: Site) -> Site:
    """It was collected."""
    site.configure(site.controller(logs="failed", tests="cases"))
    fails(site)
    assert site.run("once").returncode == 0
    return site


def test_the_cause(failed: Site) -> None:
    """One line, and where it stands."""
    shown = failed.run("logs", "team/app", "1", "--cause")
    assert shown.stdout == (f"compiler: {BOOM}\n  stage Build, step Shell Script (9), line 2\n")
    assert failed.read("logs", "team/app", "1", "--cause") == {
        "category": "compiler", "cause": BOOM, "stage": "Build", "stage_id": "6",
        "step": "Shell Script", "step_id": "9", "line": 2,
    }  # fmt: skip


def test_logs_of_a_stage_and_of_a_step(failed: Site) -> None:
    """Several with a line before each."""
    assert failed.run("logs", "team/app", "1", "--step", "9").stdout == TEXT
    last = failed.run("logs", "team/app", "1", "--step", "9", "--tail", "1").stdout
    assert last == TEXT.split("\n")[-2] + "\n"
    both = failed.run("logs", "team/app", "1", "--stage", "Build").stdout
    assert both == (
        f"==> stage Build, step Shell Script (9) <==\n{TEXT}"
        "==> stage Build, step Print Message (8) <==\nwarned\n"
    )
    (log,) = failed.read("logs", "team/app", "1", "--stage", "Build", "--step", "8")["logs"]
    assert (log["result"], log["source"], log["text"]) == ("UNSTABLE", "wfapi", "warned\n")


def test_what_there_is_no_log_of(failed: Site) -> None:
    """It says what is there instead, or what is not."""
    none = failed.run("logs", "team/app", "1", "--stage", "Deploy")
    assert none.returncode == 65
    assert "Build (9), Build (8)" in none.stderr
    failed.jenkins.job("team/app").build()
    failed.run("once")
    assert failed.run("logs", "team/app", "2", "--cause").returncode == 65
    assert failed.run("logs", "team/app", "2", "--step", "9").returncode == 65
    assert failed.run("logs", "team/app", "3", "--cause").returncode == 65
    assert failed.run("logs", "team/app", "1", "--cause", "--follow").returncode == 64
    assert failed.run("logs", "--search", "x", "--cause").returncode == 64


def test_a_log_that_could_not_be_read_says_why(site: Site) -> None:
    """As a console log does."""
    site.configure(site.controller(logs="failed"))
    branches = [Stage(f"t{n}", [Step(status="FAILURE", log="x\n")], "FAILURE") for n in range(2)]
    build = site.jenkins.job("app").start(stages=[Stage("T", inner=branches, parallel=True)])
    build.log += "[Pipeline] parallel\n"
    build.finish("FAILURE", 300)
    site.jenkins.fail("*/wfapi/log", status=500)
    site.run("once")
    shown = site.run("logs", "app", "1", "--stage", "t1")
    assert shown.stdout.strip() == ""
    assert "the log of stage t1, step Shell Script (" in shown.stderr
    assert "could not be read: not asked for" in shown.stderr


def test_status_counts_causes(failed: Site) -> None:
    """By category, and names the newest."""
    (controller,) = failed.read("status")["controllers"]
    assert controller["failures"] == {
        "by_category": {"compiler": 1},
        "newest": [{
            "job": "team/app", "number": 1, "category": "compiler", "cause": BOOM,
            "stage": "Build", "step": "Shell Script",
        }],
    }  # fmt: skip
    assert f"team/app #1: compiler: {BOOM}" in failed.run("status").stdout


def test_the_views(failed: Site) -> None:
    """For whoever reads the ledger."""
    failed.jenkins.job("team/app").build()
    failed.run("once")

    conn = sqlite3.connect(failed.ledger)
    (failure,) = conn.execute("select job, number, stage, step, cause, category from failures")
    (test,) = conn.execute("select job, number, class_name, name, message from test_failures")
    conn.close()
    assert failure == ("team/app", 1, "Build", "Shell Script", BOOM, "compiler")
    assert test == ("team/app", 1, "CartTest", "total", "<b>3</b>")


def test_a_hit_has_the_address_of_its_page(failed: Site) -> None:
    """Where the config says where the page is."""
    failed.jenkins.job("old", kind="freestyle").start().finish("FAILURE")
    failed.run("once")
    assert failed.read("logs", "--search", "finished")["hits"][0]["page"] is None
    port = free_port()
    failed.configure(failed.controller(logs="failed"), more=f'[status]\nlisten = "{port}"')
    hits = failed.read("logs", "--search", "finished")["hits"]
    assert {hit["page"] for hit in hits} == {
        f"http://127.0.0.1:{port}/builds/{number}" for number in (1, 2)
    }
    assert f"  http://127.0.0.1:{port}/builds/1\n" in failed.run("logs", "--search", "alice").stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """The page of the build, its step's log, and the metrics, of a service."""
    with (
        simulated(tmp_path_factory.mktemp("failures")) as site,
        serve(site, site.controller(every="1s", logs="failed", tests="cases")) as running,
    ):
        running.wait_polled()
        fails(site)
        running.wait_delivered(1)
        texts = [running.get(path).text for path in ("/builds/1", "/builds/1/steps/0.txt")]
        assert running.get("/builds/1/steps/9.txt").status_code == 404
        yield texts[0], texts[1], running.get("/metrics").text


def test_the_page_shows_the_cause_first(page: tuple[str, str, str]) -> None:
    """With the log around that line, then the logs of failed steps and failed tests."""
    shown, log, _ = page
    escaped = BOOM.replace("<", "&lt;").replace(">", "&gt;")
    assert f"\n<mark>2: {escaped}</mark>\n3: make: *** [cart.o] Error 1\n" in shown
    assert shown.index("What may have made it fail") < shown.index("Logs of failed steps")
    assert shown.index("Failed tests") < shown.index('id="h-stages"')
    assert 'href="/builds/1/steps/0.txt"' in shown
    assert "&lt;b&gt;3&lt;/b&gt;" in shown
    assert log == TEXT


def test_the_metrics_count_causes(page: tuple[str, str, str]) -> None:
    """By category; and the logs of steps by who gave them."""
    _, _, metrics = page
    assert 'sei_poller_failures_total{category="compiler",controller="main"} 1.0' in metrics
    assert 'sei_poller_step_logs_total{controller="main",source="wfapi"} 2.0' in metrics
