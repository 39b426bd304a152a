"""One sick run, one odd answer, one busy neighbour never hold the others back."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from poller.demo.faults import Answer, Fault
from poller.demo.sei import Sei
from tests.support.site import Site, served
from tests.support.waiting import wait_for

JSON = {"Content-Type": "application/json"}


class Judge(Sei):
    """An SEI that answers some jobs in its own way: ``verdicts`` by full name."""

    def __init__(self) -> None:
        super().__init__()
        self.verdicts: dict[str, tuple[int, str]] = {}

    def _take(self, body: bytes) -> Answer:
        status, words = self.verdicts.get(json.loads(body)["job_full_name"], (0, ""))
        return Answer(status, words.encode(), JSON) if status else super()._take(body)


@pytest.fixture
def judge(site: Site) -> Any:
    """In SEI's place."""
    judge = Judge()
    with served(judge.app) as server:
        site.configure(base_url=f"{server.url}sei/api/v1")
        yield judge


def names(sei: Sei) -> set[str]:
    """The jobs of which it has a run."""
    return {run["job_full_name"] for run in sei.received}


def pending(site: Site) -> dict[str, Any]:
    """What `status` says of the sink."""
    told: dict[str, Any] = site.read("status")["sinks"]["sei"]
    return told


@pytest.mark.parametrize("status", [500, 403, 404, 302, 429])
def test_sick_runs_hold_nobody_back(site: Site, judge: Judge, status: int) -> None:
    """Six of them come first, and all others are taken; each waits by itself, and says so."""
    for number in range(6):
        site.jenkins.job(f"bad-{number}").build()
        judge.verdicts[f"bad-{number}"] = status, "no"
    for number in range(20):
        site.jenkins.job(f"good-{number}").build()
    for _ in range(3):
        assert site.run("once").returncode == 75
    assert names(judge) == {f"good-{number}" for number in range(20)}
    told = pending(site)
    assert (told["last_error"], told["breaker"]["state"]) == (None, "closed")
    assert (told["waiting_alone"]["runs"], told["waiting_alone"]["jobs"]) == (6, 6)
    one = told["waiting_alone"]["oldest"][0]
    assert (one["status"], one["answer"], one["tries"] > 0) == (status, "no", True)
    assert one["next_try"] > "2026"
    listed = site.read("rejected")
    assert [row["next_try"] > "2026" for row in listed] == [True] * 6
    judge.verdicts.clear()
    forget_waits(site)
    assert site.run("once").returncode == 0
    assert len(judge.runs) == 26


def forget_waits(site: Site) -> None:
    """As if each had waited for long enough."""
    with sqlite3.connect(site.ledger) as conn:
        conn.execute("update delivery set next_try = 0")
    conn.close()


def test_one_that_is_not_answered_has_its_own_slot_only(site: Site, judge: Judge) -> None:
    """While it is waited for, what comes meanwhile is sent."""
    site.configure(
        site.controller(every="1s"), base_url=site_of(site, judge), max_connections=2, timeout="30s"
    )
    late = Fault("*/custom-cicd", Answer(None, delay=60), times=1)
    judge.faults.append(late)
    site.jenkins.job("sick").build()
    with site.start("run") as process:
        wait_for(lambda: late.times == 0)
        site.jenkins.job("good").build()
        wait_for(lambda: "good" in names(judge))
        process.kill()
        process.communicate()


def site_of(site: Site, _judge: Judge) -> str:
    """The address that is configured."""
    (line,) = [one for one in site.config.read_text().splitlines() if one.startswith("base_url")]
    address: str = json.loads(line.partition("= ")[2])
    return address


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 421, 426, 451, 301, 503])
def test_an_outage_needs_nobody(site: Site, status: int) -> None:
    """Whatever answers in SEI's place: nothing is refused for it, and all comes by itself."""
    for number in range(8):
        site.jenkins.job(f"app-{number}").build()
    site.sei.fail("*/custom-cicd", status=status, body="default backend")
    for _ in range(2):
        result = site.run("once")
        assert result.returncode == 75
        assert f"HTTP {status}" in result.stdout
    assert pending(site)["breaker"]["state"] == "open"
    if status not in (401, 403, 503):
        assert site.sei_server.url in result.stdout
    site.sei.clear_faults()
    assert site.run("once").returncode == 0
    assert (len(site.sei.runs), site.read("rejected")) == (8, [])


def test_a_2xx_that_is_no_success_is_no_delivery(site: Site) -> None:
    """Once SEI has answered with JSON, other text is somebody else's; both are shown."""
    site.jenkins.job("app").build()
    assert site.run("once").returncode == 0
    assert pending(site)["first_yes"] == "HTTP 202: {}"
    for body in ('{"status":"ERROR"}', "Request blocked by policy 4711", '{"cut":'):
        site.jenkins.job("app").build()
        site.sei.fail(
            "*/custom-cicd", status=200, body=body, headers={"Content-Type": "text/plain"}
        )
        result = site.run("once")
        assert result.returncode == 75
        assert body in result.stdout
        site.sei.clear_faults()
        assert site.run("once").returncode == 0
    assert len(site.sei.runs) == 4


def test_a_pause_is_visible_and_a_delivery_clears_it(site: Site) -> None:
    """An hour that two answers asked for: until then nothing is sent, but for a first try of
    another process. The GUID is asked for besides."""
    site.sei.fail("*/custom-cicd", status=429, headers={"Retry-After": "3600"}, times=2)
    site.configure(max_connections=1)
    for name in ("a", "b"):
        site.jenkins.job(name).build()
    with site.start("run") as process:
        wait_for(lambda: len(site.sei.requests) == 3 and pending_state(site) == "open", 40)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    told = pending(site)
    assert told["last_error"] == "sei: HTTP 429"
    assert time.time() + 3_000 < time.mktime(time.strptime(told["breaker"]["next_try"], ISO)) - (
        time.timezone
    )
    assert site.run("once").returncode == 0
    assert pending(site)["breaker"]["state"] == "closed"


ISO = "%Y-%m-%dT%H:%M:%SZ"


def pending_state(site: Site) -> str:
    """The sink's breaker; empty while there is no ledger."""
    result = site.run("status", "--json")
    sinks = json.loads(result.stdout)["sinks"] if result.returncode == 0 else {}
    return str(sinks["sei"]["breaker"]["state"]) if "sei" in sinks else ""


def test_a_long_queue_after_an_outage_says_how_long_it_takes(site: Site) -> None:
    """And not what was wrong an hour ago."""
    site.sei.fail("*/custom-cicd", status=503)
    for _ in range(90):
        site.jenkins.job("app").build()
    assert site.run("once").returncode == 75
    assert pending(site)["last_error"] == "sei: HTTP 503"
    site.sei.clear_faults()
    site.configure(request_rate=10)
    with site.start("run") as process:
        wait_for(lambda: len(site.sei.runs) >= 10)
        told = pending(site)
        assert re.fullmatch(r"catching up: \d+ queued, \d+ a second, about .+", told["catching_up"])
        assert (told["last_error"], told["breaker"]["state"]) == (None, "closed")
        process.kill()
        process.communicate()
    assert "sei: catching up: " in site.run("status").stdout


def test_rejections_slow_the_sink_only_when_nothing_is_taken_between(
    site: Site, judge: Judge
) -> None:
    """Forty that are refused stand before those that are fine."""
    for number in range(40):
        site.jenkins.job(f"bad-{number}").build()
        judge.verdicts[f"bad-{number}"] = 400, "no"
    for number in range(5):
        site.jenkins.job(f"good-{number}").build()
    site.run("once")
    for _ in range(3):
        site.run("once")
    assert len(names(judge)) == 5
    assert len(site.read("rejected")) == 40


def test_skip_and_retry_decide_on_a_run_that_fails(site: Site, judge: Judge) -> None:
    """Skipped, it is one of the refused; retried, it goes at once."""
    judge.verdicts["sick"] = 403, "looks like an attack"
    for name in ("sick", "good"):
        site.jenkins.job(name).build()
    assert site.run("once").returncode == 75
    assert site.run("skip", "good", "1").returncode == 65
    skipped = site.read("skip", "sick", "1")
    assert skipped == [{"controller": "main", "job": "sick", "number": 1, "sink": "sei"}]
    assert site.run("once").returncode == 0
    (row,) = site.read("rejected")
    assert (row["status"], "looks like an attack" in row["answer"]) == (403, True)
    assert site.run("retry", "sick", "1").returncode == 75
    judge.verdicts.clear()
    assert site.run("retry", "sick", "1").returncode == 0
    assert site.read("rejected") == []
    assert names(judge) == {"sick", "good"}


def test_a_sink_that_left_the_config(site: Site) -> None:
    """It is named; nothing waits for it but its own queue, which can be dropped or gone on with."""
    blocked = site.directory / "blocked"
    table = f'[jsonl]\npath = "{blocked}/runs.jsonl"'
    blocked.write_text("a file, and no folder")
    site.jenkins.job("app").build()
    site.configure(more=table)
    assert site.run("once").returncode == 75
    site.configure()
    for _ in range(2):
        result = site.run("once")
        assert result.returncode == 0
        assert "jsonl: 1 queued, but it is not in the config" in result.stdout
    assert "retry --drop jsonl" in site.run("status").stdout
    assert "jsonl: 1 queued" in site.run("check").stdout
    with sqlite3.connect(site.ledger) as conn:
        assert conn.execute("select watermark from job").fetchall() == [(1,)]
        assert conn.execute("select settled_at is null from payload").fetchall() == [(0,)]
    conn.close()
    blocked.unlink()
    site.configure(more=table)
    assert site.run("retry", "--drop", "jsonl").returncode == 64
    assert site.run("once").returncode == 0
    assert len((blocked / "runs.jsonl").read_text().splitlines()) == 1
    site.jenkins.job("app").build()
    (blocked / "runs.jsonl").unlink()
    (blocked / "runs.jsonl").mkdir()
    assert site.run("once").returncode == 75
    site.configure()
    assert site.run("retry", "--drop", "jsonl").stdout == "jsonl: 1 dropped\n"
    assert "jsonl" not in site.run("once").stdout
    assert site.read("status")["controllers"][0]["sinks"]["sei"]["delivered"] == 2


def test_a_pipe_is_no_file(site: Site) -> None:
    """Nothing else waits for it, and `check` says so; a stop is heard."""
    pipe = site.directory / "runs"
    os.mkfifo(pipe)
    site.configure(site.controller(every="1s"), more=f'[jsonl]\npath = "{pipe}"')
    assert "not a regular file" in site.run("check").stdout
    site.jenkins.job("app").build()
    with site.start("run") as process:
        wait_for(lambda: len(site.sei.received) == 1)
        site.jenkins.job("app").build()
        wait_for(lambda: len(site.sei.received) == 2)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)
    assert "not a regular file" in "".join(told)


def test_a_torn_line_is_ended(site: Site, tmp_path: Path) -> None:
    """A power cut left it; the next run has a line of its own."""
    file = tmp_path / "runs.jsonl"
    site.configure(more=f'[jsonl]\npath = "{file}"')
    site.jenkins.job("app").build()
    site.run("once")
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:99])
    site.jenkins.job("app").build()
    assert site.run("once").returncode == 0
    first, torn, second = file.read_bytes().splitlines()
    assert (first + b"\n", torn) == (whole, whole[:99])
    assert json.loads(second)["build_number"] == 2


def test_the_rate_holds_over_processes(site: Site) -> None:
    """As SEI's key sees them: the next process begins where the one before left off."""
    site.configure(request_rate=0.5)
    site.jenkins.job("app").build()
    site.run("once")
    site.jenkins.job("app").build()
    site.run("once")
    before, after = (one.at for one in site.sei.requests)
    assert after - before >= 1.9
