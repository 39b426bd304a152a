"""One run with its logs as SEI's Jenkins plugin sends it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

from poller.delivery.failed_logs.junit import junit_files
from poller.delivery.failed_logs.plugin_form import (
    REPORTS,
    LogLimits,
    LogText,
    PluginForm,
    plugin_form,
)
from poller.demo.sei import form_parts, referenced_logs, unzipped
from poller.ledger.logs.failures import FailedTest

LIMITS = LogLimits(1_000, 10_000)


def payload(*stages: dict[str, Any]) -> bytes:
    """A documented one, with those stages."""
    run = {
        "pipeline": "app", "job_full_name": "team/app", "qualified_name": "team/app",
        "instance_guid": str(UUID(int=1)), "instance_name": "main", "instance_url": "http://j/",
        "start_time": 1_000, "duration": 5, "result": "FAILURE", "build_number": 7,
        "execution_id": str(UUID(int=2)), "cfr_status": True,
        "job_run": {"stages": list(stages)} if stages else None,
    }  # fmt: skip
    return json.dumps(run).encode()


def stage(name: str, *steps: str) -> dict[str, Any]:
    """One with those steps."""
    return {"id": name, "steps": [{"id": step} for step in steps]}


def read(form: PluginForm) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The payload and the files of the zip."""
    parts = form_parts(form.content_type, form.body)
    run: dict[str, Any] = json.loads(json.loads(parts["json"])["payload"])
    return run, unzipped(parts["file"])


def test_each_log_lies_where_it_was_written() -> None:
    """At its step; of a stage without steps, at that."""
    texts = [LogText(b"of a step", "1", "12"), LogText(b"of a stage", "2")]
    form = plugin_form(payload(stage("1", "11", "12"), stage("2")), texts, [], LIMITS)
    run, files = read(form)
    first, second = run["job_run"]["stages"]
    assert files == {first["steps"][1]["log"]: b"of a step", second["log"]: b"of a stage"}
    assert referenced_logs(run) == [second["log"], first["steps"][1]["log"]]


def test_a_step_that_the_payload_had_no_room_for() -> None:
    """Its log is the stage's; of a stage that is missing, the run's; there is one a place."""
    texts = [LogText(b"a", "1", "99"), LogText(b"b", "1", "98"), LogText(b"c", "9", "91")]
    run, files = read(plugin_form(payload(stage("1", "11")), texts, [], LIMITS))
    assert files == {run["job_run"]["stages"][0]["log"]: b"a", run["job_run"]["log"]: b"c"}


def test_a_run_without_stages() -> None:
    """The log is the run's, which says what it is of, as the plugin's does."""
    run, files = read(plugin_form(payload(), [LogText(b"all")], [], LIMITS))
    log = run["job_run"].pop("log")
    assert files == {log: b"all"}
    assert run["job_run"] == {
        "name": "app", "result": "FAILURE", "durationInMillis": 5, "startTime": "1000",
        "job_normalized_full_name": "team/app", "stages": [],
    }  # fmt: skip
    assert "cfr_status" not in run


def test_the_same_is_the_same_to_the_byte() -> None:
    """And another text is another form."""
    one, same, other = (
        plugin_form(payload(stage("1")), [LogText(text, "1")], [], LIMITS)
        for text in (b"text", b"text", b"other")
    )
    assert one == same != other


def test_the_limit_of_a_build() -> None:
    """What there is no room for is neither sent nor referenced."""
    texts = [LogText(b"x" * 400, "1", step) for step in ("11", "12", "13", "14")]
    form = plugin_form(payload(stage("1", "11", "12", "13", "14")), texts, [], LogLimits(500, 800))
    run, files = read(form)
    assert list(map(len, files.values())) == [400, 400]
    assert sorted(files) == sorted(referenced_logs(run))


def test_a_large_log_takes_little_more_than_its_own_memory() -> None:
    """Ten megabytes are zipped and put into a request."""
    text = "\n".join(map(str, range(1_400_000))).encode()
    size = len(text)
    run = payload()
    tracemalloc.start()
    form = plugin_form(run, [LogText(text)], [], LogLimits(size, size))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(form.body) < size
    assert peak < 2 * size


def test_failed_tests_are_junit_files() -> None:
    """One a suite, in a zip of their own; characters that no XML can have are replaced."""
    tests = [
        FailedTest("com.acme.AppTest", "com.acme.AppTest", "adds", "FAILED", 1_500, "1 != 2", "at"),
        FailedTest("com.acme.AppTest", "com.acme.AppTest", "\x1b[31m\0red", "REGRESSION", 2),
        FailedTest("../../etc/passwd", "other", "<&>", "FAILED", 0, '"', "]]>"),
    ]
    _run, files = read(plugin_form(payload(), [], tests, LIMITS))
    assert list(files) == [REPORTS]
    reports = unzipped(files[REPORTS])
    assert list(reports) == ["TEST-1-com.acme.AppTest.xml", "TEST-2-..-..-etc-passwd.xml"]
    first, second = map(ET.fromstring, reports.values())
    assert first.attrib == {"name": "com.acme.AppTest", "tests": "2", "failures": "2"}
    case = first[0]
    assert (case.attrib["name"], case.attrib["time"]) == ("adds", "1.500")
    assert (case[0].attrib["message"], case[0].text) == ("1 != 2", "at")
    assert first[1].attrib["name"] == "\ufffd[31m\ufffdred"
    assert (second[0].attrib["name"], second[0][0].text) == ("<&>", "]]>")


def test_reports_that_are_too_large_stay_behind() -> None:
    """The logs go all the same."""
    tests = [FailedTest(str(n), "c", f"{n * 7919}", "FAILED", 0) for n in range(100)]
    _run, files = read(plugin_form(payload(), [LogText(b"log")], tests, LIMITS))
    assert list(files.values()) == [b"log"]
    assert len(junit_files(tests)) == 100
