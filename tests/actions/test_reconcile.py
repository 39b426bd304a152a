"""`reconcile`: Jenkins against the ledger, build by build, and the holes mended."""

from __future__ import annotations

import dataclasses
import gzip

from poller.core.build_key import BuildKey
from poller.demo.faults import Answer, Fault
from poller.http.client import ANSWER_LIMIT
from poller.jenkins.history import Summary
from poller.ledger.reconciliation import LedgerEntry
from poller.ledger.records import JobState
from poller.polling.reconciliation import compared, is_due
from tests.support.lost_builds import build_old, hours_ago, lose
from tests.support.site import Site


def test_nothing_is_found_where_all_is_well(site: Site) -> None:
    """Also with builds that run, that were skipped, and that are gone."""
    site.configure(site.controller(), more='[sei.results]\nABORTED = "skip"\n')
    build_old(site)
    site.jenkins.job("app").build(result="ABORTED", timestamp=hours_ago(3))
    site.jenkins.job("app").start(timestamp=hours_ago(2))
    site.jenkins.job("app").start(timestamp=hours_ago(2))
    site.run("once")
    site.jenkins.job("app").delete_build(8)
    site.run("once")
    result = site.run("reconcile")
    assert result.returncode == 0, result.stdout
    assert "6 completed builds of 1 jobs compared: 0 missing, 0 differing" in result.stdout


def test_a_hole_is_found_told_and_mended(site: Site) -> None:
    """Exit 1; `--repair` collects and sends it, with its own number and id; then exit 0."""
    build_old(site, 12)
    site.run("once")
    lose(site, "number in (2, 7)")
    site.sei.received.clear()
    result = site.run("reconcile")
    assert result.returncode == 1
    assert "main: app #2: not in the ledger" in result.stdout
    found = site.read("reconcile")
    assert found["checked"] == 12
    assert sorted(missing["number"] for missing in found["missing"]) == [2, 7]
    assert {"controller", "job", "number", "why"} == set(found["missing"][0])
    assert site.run("reconcile", "--repair").returncode == 0
    assert [run["build_number"] for run in site.sei.received] == [2, 7]
    assert site.run("reconcile").returncode == 0
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 2
    assert site.read("status")["controllers"][0]["gaps"] == 0


def test_numbers_without_a_build_are_counted_once(site: Site) -> None:
    """A repair passes the holes that the polls have passed: none is awaited again."""
    build_old(site, 3)
    site.jenkins.job("app").next_build_number = 7
    build_old(site, 3)
    site.run("once")
    site.jenkins.job("app").delete_build(8)
    lose(site, "number in (2, 9)")
    before = site.read("status")["controllers"][0]
    assert before["gaps"] == 3
    assert site.run("reconcile", "--repair").returncode == 0
    site.look_again(5)
    after = site.read("status")["controllers"][0]
    assert (after["gaps"], after["pending"]["counts"]) == (3, {})
    assert site.run("reconcile").returncode == 0


def test_a_job_created_anew_up_to_the_very_same_number_is_found(site: Site) -> None:
    """The one case that no counter shows; its builds go on counting at SEI."""
    build_old(site, 3)
    site.run("once")
    site.jenkins.job("app").recreate()
    build_old(site, 3)
    site.run("once")
    assert len(site.sei.received) == 3
    assert site.run("reconcile").returncode == 1
    assert site.run("reconcile", "--repair").returncode == 0
    assert [run["build_number"] for run in site.sei.received] == [1, 2, 3, 4, 5, 6]
    assert site.run("reconcile").returncode == 0


def test_what_jenkins_says_otherwise_is_told(site: Site) -> None:
    """And sent again on demand, under the same id: SEI can tell that it is the same run."""
    build_old(site, 2)
    site.run("once")
    site.jenkins.job("app").builds[2].result = "FAILURE"
    found = site.read("reconcile")
    assert found["missing"] == []
    assert "FAILURE at Jenkins, SUCCESS in the ledger" in found["differing"][0]["why"]
    assert site.run("reconcile", "--repair").returncode == 0
    assert site.run("reconcile").returncode == 0
    first, again = (run for run in site.sei.received if run["build_number"] == 2)
    assert first["execution_id"] == again["execution_id"]
    assert again["result"] == "FAILURE"


def test_what_is_queued_is_not_settled(site: Site) -> None:
    """SEI is down: the ledger has the builds, SEI does not."""
    build_old(site, 2)
    site.sei.fail(status=503)
    site.run("once")
    found = site.read("reconcile")
    assert {"queued for sei"} == {missing["why"] for missing in found["missing"]}
    assert site.run("reconcile", "--repair").returncode == 75
    site.sei.clear_faults()
    assert site.run("reconcile", "--repair").returncode == 0
    assert len(site.sei.runs) == 2


def test_a_long_history_is_compared_whole(site: Site) -> None:
    """More than `builds` shows; a recent `--since` costs no more than the newest hundred."""
    for place in range(250):
        site.jenkins.job("app", kind="freestyle").build(timestamp=hours_ago(300 - place))
    site.run("once")
    lose(site, "number in (3, 240)")
    before = site.jenkins.builds_loaded
    found = site.read("reconcile", "--since", "80h")
    assert ([240], 20 < found["checked"] < 40) == ([m["number"] for m in found["missing"]], True)
    assert site.jenkins.builds_loaded - before <= 100
    found = site.read("reconcile")
    assert (250, {3, 240}) == (found["checked"], {m["number"] for m in found["missing"]})


def test_globs_choose(site: Site) -> None:
    """Only what was asked for is compared."""
    for job in ("a", "b"):
        build_old(site, 2, job)
    site.run("once")
    lose(site, "1")
    found = site.read("reconcile", "--job", "a")
    assert {"a"} == {missing["job"] for missing in found["missing"]}


def test_bad_answers_are_told_and_stop_no_other_job(site: Site) -> None:
    """Exit 75; a controller that is down: 69."""
    for job in ("good", "bad"):
        build_old(site, 2, job)
    site.run("once")
    for answer in (
        '{"builds":[{"number":1,',
        '{"builds":[{"number":"one"}]}',
        "<html>login</html>",
    ):
        headers = {} if "html" in answer else {"Content-Type": "application/json"}
        site.jenkins.fail("/job/bad/*", status=200, body=answer, headers=headers)
        result = site.run("reconcile")
        assert result.returncode == 75, result.stdout
        assert "not compared: controller main: bad" in result.stdout
        assert "2 completed builds" in result.stdout
        site.jenkins.clear_faults()
    site.jenkins_server.stop()
    assert site.run("reconcile").returncode == 69


def head_first(answer: Answer) -> Answer:
    """The head of the gzip leaves as a chunk of its own: it stands for no byte of JSON."""
    assert answer.headers["Content-Encoding"] == "gzip"
    return dataclasses.replace(
        answer, body=b"", parts=(answer.body[:10], answer.body[10:]), stall=0.05
    )


def test_a_chunk_that_stands_for_nothing_does_not_end_an_answer(site: Site) -> None:
    """As a real Jenkins sends them now and then."""
    build_old(site, 120, kind="freestyle")
    site.run("once")
    site.jenkins.faults.append(Fault("/job/app/*", Answer(None, change=head_first)))
    result = site.run("reconcile")
    assert "120 completed builds of 1 jobs compared: 0 missing, 0 differing" in result.stdout
    assert result.returncode == 0


def test_a_job_of_too_many_builds_is_not_compared(site: Site) -> None:
    """Its answer is read no further than its limit; the other jobs are compared."""
    for job in ("good", "long"):
        build_old(site, 2, job)
    site.run("once")
    body = gzip.compress(b'{"builds":[' + b" " * ANSWER_LIMIT)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    site.jenkins.fail("/job/long/*", status=200, body=body, headers=headers)
    result = site.run("reconcile")
    assert result.returncode == 75
    assert "not compared: controller main: long: the answer is larger than" in result.stdout
    assert "2 completed builds" in result.stdout


def test_findings_of_one_job() -> None:
    """Every way in which the two can disagree."""

    def summary(number: int, **fields: object) -> Summary:
        return Summary(number, 1000 + number, 50 + number, 5, "SUCCESS", False, False)

    def entry(number: int, state: str = "collected", **fields: object) -> LedgerEntry:
        values = {"reason": None, "result": "SUCCESS", "duration": 5, "queued": (), **fields}
        return LedgerEntry(number, BuildKey(number, 1000 + number, 50 + number), state, **values)  # type: ignore[arg-type]

    entries = [
        entry(2), entry(3, "in_flight"), entry(4, "skipped", reason="gone"),
        entry(5, "skipped", reason="result ABORTED"), entry(6, queued=("sei", "jsonl")),
        entry(7, result="FAILURE"), entry(8, duration=6),
    ]  # fmt: skip
    found = compared(JobState("app"), [summary(number) for number in range(1, 9)], entries, 0)
    assert [(f.number, f.why, f.differs) for f in found] == [
        (1, "not in the ledger", False),
        (3, "in flight in the ledger", False),
        (4, "skipped: gone", False),
        (6, "queued for sei, jsonl", False),
        (7, "result SUCCESS at Jenkins, FAILURE in the ledger", True),
        (8, "5 ms at Jenkins, 6 ms in the ledger", True),
    ]
    assert compared(JobState("app"), [Summary(2, 0, None, 0, None)], [entry(2)], 0) == []


def test_a_build_that_ended_just_now_is_not_missing_yet() -> None:
    """The next poll collects it."""
    unseen = range(1501, 2000)
    assert is_due(Summary(1, 1000, None, 500, "SUCCESS", False, False), unseen)
    assert not is_due(Summary(1, 1000, None, 501, "SUCCESS", False, False), unseen)
    assert not is_due(Summary(1, 1000, None, 0, None, True, True), unseen)
    assert is_due(Summary(1, 9000, None, 0, "SUCCESS", False, False), unseen)
