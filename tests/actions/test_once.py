"""`once`, as cron runs it: the whole line against real servers."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from poller.demo.faults import Receive, Scope, Send, request_of
from poller.demo.jenkins.stages import Stage, Step
from poller.demo.server import Server
from tests.support.site import GUID, TOKEN, Site


def numbers(site: Site, job: str) -> list[int]:
    """The numbers of a job's runs as SEI received them, in that order."""
    return [run["build_number"] for run in site.sei.received if run["job_full_name"] == job]


def test_each_completed_build_reaches_sei_once(site: Site) -> None:
    """Folders, a branch, a freestyle job; a second `once` sends nothing."""
    for name in ("team/app", "mb/feature%2Fone"):
        if name.startswith("mb"):
            site.jenkins.multibranch("mb")
        site.jenkins.job(name).build()
    site.jenkins.job("nightly", kind="freestyle").build(result="FAILURE")
    result = site.run("once")
    assert result.returncode == 0, result.stderr
    assert {"team/app", "mb/feature%2Fone", "nightly"} == {
        r["job_full_name"] for r in site.sei.received
    }
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 3


def test_stages_and_steps_go_with_a_pipeline_and_not_with_freestyle(site: Site) -> None:
    """`job_run` holds the tree, or is null."""
    site.jenkins.job("app").build()
    site.jenkins.job("old", kind="freestyle").build()
    site.run("once")
    runs = {run["job_full_name"]: run for run in site.sei.received}
    stages = runs["app"]["job_run"]["stages"]
    assert stages
    assert all(stage["steps"] for stage in stages)
    assert runs["old"]["job_run"] is None


def test_an_idle_poll_is_two_requests_and_loads_no_build(site: Site) -> None:
    """For any number of jobs, also while a build runs."""
    for place in range(50):
        site.jenkins.job(f"folder-{place % 7}/job-{place}").build()
    site.jenkins.job("folder-1/job-1").start()
    site.run("once")
    site.jenkins.requests.clear()
    before = site.jenkins.builds_loaded, site.jenkins.flow_graphs_loaded
    assert site.run("once").returncode == 0
    assert len(site.jenkins.requests) == 2
    assert before == (site.jenkins.builds_loaded, site.jenkins.flow_graphs_loaded)


def test_a_backlog_costs_little_more_than_a_request_a_build(site: Site) -> None:
    """One request for up to a hundred builds, one for ten stage trees, one for each beyond."""
    for name in ("a", "b"):
        for _ in range(40):
            site.jenkins.job(name).build()
    site.run("once")
    assert len(site.sei.runs) == 80
    assert len(site.jenkins.requests) <= 1.2 * 80


def test_a_long_history_comes_whole_and_in_order(site: Site) -> None:
    """More than `builds` shows: the walk goes through all of it, oldest first."""
    for _ in range(230):
        site.jenkins.job("app", kind="freestyle").build()
    assert site.run("once").returncode == 0
    assert list(range(1, 231)) == numbers(site, "app")


def test_builds_that_finish_out_of_order_are_each_sent_when_final(site: Site) -> None:
    """3 before 2 before 1, with a poll in between."""
    job = site.jenkins.job("app")
    builds = [job.start() for _ in range(3)]
    assert site.run("once").returncode == 0
    assert numbers(site, "app") == []
    for build in reversed(builds):
        build.finish()
        assert site.run("once").returncode == 0
    assert numbers(site, "app") == [3, 2, 1]
    assert site.read("status")["controllers"][0]["in_flight"] == 0


def test_a_build_far_back_is_collected_when_it_ends(site: Site) -> None:
    """It ran while 150 others came and went; it is asked for by its number."""
    job = site.jenkins.job("app", kind="freestyle")
    slow = job.start()
    site.run("once")
    for _ in range(150):
        job.build()
    site.run("once")
    slow.finish()
    site.jenkins.requests.clear()
    site.run("once")
    assert len(site.sei.runs) == 151
    assert Counter(numbers(site, "app"))[slow.number] == 1
    assert len(site.jenkins.requests) <= 4


def test_a_build_in_post_production_is_not_final(site: Site) -> None:
    """`building` is false already, `inProgress` is not."""
    build = site.jenkins.job("app", kind="freestyle").start()
    build.finish(post_production=True)
    site.run("once")
    assert site.sei.received == []
    build.finish()
    site.run("once")
    assert numbers(site, "app") == [1]


def test_only_builds_since_the_beginning_are_sent(site: Site) -> None:
    """And a job without any costs no request of its own."""
    site.configure(site.controller(since="1d"))
    old, new = site.jenkins.job("old"), site.jenkins.job("new")
    for job in (old, new):
        job.build(timestamp=1_000_000_000_000)
    new.build()
    site.run("once")
    assert [(r["job_full_name"], r["build_number"]) for r in site.sei.received] == [("new", 2)]
    assert not [r for r in site.jenkins.requests if r.path.startswith("/job/old")]


def test_globs_choose_the_jobs(site: Site) -> None:
    """What is excluded is never asked."""
    site.configure(site.controller(include=["team/**"], exclude=["team/sandbox/**"]))
    for name in ("team/app", "team/sandbox/x", "other"):
        site.jenkins.job(name).build()
    site.run("once")
    assert [run["job_full_name"] for run in site.sei.received] == ["team/app"]


def test_a_deleted_build_in_flight_is_counted_as_gone(site: Site) -> None:
    """It is not waited for."""
    job = site.jenkins.job("app")
    job.start()
    site.run("once")
    job.delete_build(1)
    site.run("once")
    site.look_again(4)
    controller = site.read("status")["controllers"][0]
    assert (controller["in_flight"], controller["skipped"]) == (0, 1)


def test_a_job_created_anew_is_told_apart(site: Site) -> None:
    """Its numbers go on at SEI, which keeps the first run it saw of a number."""
    job = site.jenkins.job("app")
    for _ in range(3):
        job.build()
    site.run("once")
    job.recreate()
    site.jenkins.job("app").build()
    site.run("once")
    assert numbers(site, "app") == [1, 2, 3, 4]
    assert len({run["execution_id"] for run in site.sei.received}) == 4


def test_a_job_created_anew_can_keep_jenkins_numbers(site: Site) -> None:
    """`recreated_jobs = "as_is"`: the execution ids differ all the same."""
    site.configure(site.controller(recreated_jobs="as_is"))
    for _ in range(2):
        site.jenkins.job("app").build()
    site.run("once")
    site.jenkins.job("app").recreate()
    site.jenkins.job("app").build()
    site.run("once")
    assert numbers(site, "app") == [1, 2, 1]
    assert len({run["execution_id"] for run in site.sei.received}) == 3


def test_a_job_that_was_away_is_looked_at_when_it_is_back(site: Site) -> None:
    """Created anew up to the very same number: the look between shows that it is another one."""
    site.jenkins.job("app").build()
    site.run("once")
    site.jenkins.remove("app")
    site.run("once")
    running = site.jenkins.job("app").start()
    assert site.run("once").returncode == 0
    assert site.read("status")["controllers"][0]["in_flight"] == 1
    running.finish()
    site.run("once")
    assert numbers(site, "app") == [1, 2]
    site.jenkins.requests.clear()
    site.run("once")
    assert len(site.jenkins.requests) == 2


def test_a_payload_over_the_limit_is_cut_and_the_log_says_so(site: Site) -> None:
    """It is sent, without its steps."""
    site.configure(body_limit=10_000)
    steps = [Step(parameter_description="echo " + "x" * 900) for _ in range(60)]
    site.jenkins.job("app").build(stages=[Stage("Build", steps)])
    result = site.run("once")
    assert "payload_truncated" in result.stderr
    (run,) = site.sei.received
    assert [step for stage in run["job_run"]["stages"] for step in stage["steps"]] == []


def test_a_ledger_that_cannot_be_written_is_one_sentence(site: Site) -> None:
    """Exit 73."""
    site.ledger.parent.joinpath("file").write_text("")
    text = site.config.read_text().replace("ledger.db", "file/ledger.db")
    site.config.write_text(text)
    assert site.run("once").returncode == 73
    assert site.run("check").returncode == 73
    assert site.run("status").returncode == 73


def test_sei_down_leaves_everything_queued_and_status_says_since_when(site: Site) -> None:
    """Exit 75; the next run sends them, oldest first."""
    job = site.jenkins.job("app")
    for _ in range(5):
        job.build()
    site.sei.fail(status=503)
    result = site.run("once")
    assert result.returncode == 75
    assert "503" in result.stdout
    sink = site.read("status")["controllers"][0]["sinks"]["sei"]
    assert sink["queued"] == 5
    assert sink["oldest_queued"].endswith("Z")
    assert "503" in site.run("status").stdout
    site.sei.clear_faults()
    site.sei.received.clear()
    assert site.run("once").returncode == 0
    assert numbers(site, "app") == [1, 2, 3, 4, 5]


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens at a server in another thread."""
    while not condition():  # noqa: ASYNC110 - an event belongs to one loop
        await asyncio.sleep(0.01)


def test_collecting_and_sending_do_not_wait_for_each_other(site: Site) -> None:
    """Jenkins holds the second job back until SEI has got the first one's run, and SEI its answer
    to that until the second job was asked for; another controller holds all back until then."""
    for name in ("first", "second"):
        site.jenkins.job(name).build()
    asked = False

    async def jenkins(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        if "/job/second/" in request_of(scope).path:
            asked = True
            await until(lambda: site.sei.received)
        await site.jenkins.app(scope, receive, send)

    async def another(scope: Scope, receive: Receive, send: Send) -> None:
        await until(lambda: site.sei.received)
        await site.jenkins.app(scope, receive, send)

    async def sei(scope: Scope, receive: Receive, send: Send) -> None:
        async def held(message: Mapping[str, Any]) -> None:
            await until(lambda: asked)
            await send(message)

        await site.sei.app(scope, receive, held)

    with Server(jenkins) as first, Server(another) as second, Server(sei) as receiver:
        site.configure(
            site.controller(url=first.url, timeout="30s"),
            site.controller("slow", url=second.url, timeout="30s"),
            base_url=f"{receiver.url}sei/api/v1", timeout="30s",
        )  # fmt: skip
        result = site.run("once")
    assert result.returncode == 0, result.stdout
    assert len(site.sei.received) == 4


@pytest.mark.parametrize(("status", "headers"), [(429, {"Retry-After": "60"}), (401, {})])
def test_a_receiver_that_is_to_be_left_alone_is_asked_once(
    site: Site, status: int, headers: dict[str, str]
) -> None:
    """Collecting goes on, and its end is no reason to ask again."""
    for name in ("first", "second"):
        site.jenkins.job(name).build()
    site.sei.fail(status=status, headers=headers)

    async def jenkins(scope: Scope, receive: Receive, send: Send) -> None:
        if "/job/second/" in request_of(scope).path:
            await until(lambda: site.sei.requests)
        await site.jenkins.app(scope, receive, send)

    with Server(jenkins) as server:
        site.configure(site.controller(url=server.url, timeout="30s"))
        result = site.run("once")
    assert result.returncode == 75
    assert [request.status for request in site.sei.requests] == [status]
    assert "2 still queued" in result.stdout


def test_a_wrong_key_stops_the_sink_and_says_so(site: Site) -> None:
    """Nothing is thrown away."""
    site.jenkins.job("app").build()
    site.environ["SEI_API_KEY"] = "wrong"
    result = site.run("once")
    assert result.returncode == 75
    assert "401" in result.stdout
    assert "API key" in result.stderr


def test_a_refused_run_is_kept_with_its_answer(site: Site) -> None:
    """It is settled as rejected, and the others go on."""
    job = site.jenkins.job("app")
    job.build()
    job.build()
    site.sei.fail(status=422, body='{"error": "no"}', times=1)
    assert site.run("once").returncode == 0
    sink = site.read("status")["controllers"][0]["sinks"]["sei"]
    assert (sink["delivered"], sink["rejected"], sink["queued"]) == (1, 1, 0)


def test_a_wrong_token_is_named_and_the_others_are_served(site: Site) -> None:
    """Exit 69."""
    site.jenkins.job("app").build()
    site.environ["OTHER"] = "stale"
    site.configure(site.controller("good"), site.controller("bad", token_env="OTHER"))
    result = site.run("once")
    assert result.returncode == 69
    assert "controller bad" in result.stdout
    assert "token" in result.stderr
    assert len(site.sei.runs) == 1


BAD_ANSWERS = {
    "login page": {"status": 200, "body": "<html>login</html>"},
    "truncated": {"status": 200, "body": '{"builds":[{"number":1,', "headers": {"Content-Type": "application/json"}},
    "wrong types": {"status": 200, "body": '{"builds":[{"number":"one"}]}', "headers": {"Content-Type": "application/json"}},
    "nested": {"status": 200, "body": "[" * 100_000, "headers": {"Content-Type": "application/json"}},
    "redirect": {"status": 302, "headers": {"Location": "https://elsewhere.example/x?y=1"}},
    "error": {"status": 500, "body": "<html>oops</html>"},
    "broken off": {"status": 200, "body": "{", "break_off": True},
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_ANSWERS)
def test_a_bad_answer_about_one_job_stops_no_other(site: Site, fault: str) -> None:
    """Named, counted, tried again later, never stored."""
    for name in ("good", "bad"):
        site.jenkins.job(name).build()
    site.jenkins.fail("/job/bad/*", **BAD_ANSWERS[fault])  # type: ignore[arg-type]
    result = site.run("once")
    assert result.returncode == 75
    assert "bad" in result.stdout
    assert [(r["job_full_name"], r["build_number"]) for r in site.sei.received] == [("good", 1)]
    assert "bad" in str(site.read("status")["controllers"][0]["last_error"])


@pytest.mark.parametrize("fault", BAD_ANSWERS)
def test_a_bad_answer_about_everything_is_one_sentence(site: Site, fault: str) -> None:
    """And when Jenkins is itself again, so are we."""
    site.jenkins.job("app").build()
    site.jenkins.fail("/*", **BAD_ANSWERS[fault])  # type: ignore[arg-type]
    result = site.run("once")
    assert result.returncode == 69
    assert "controller main" in result.stdout
    site.jenkins.clear_faults()
    assert site.run("once").returncode == 0
    assert len(site.sei.runs) == 1


def test_a_stage_tree_that_fails_holds_its_build_back(site: Site) -> None:
    """It never goes out half; the other builds of the job do."""
    job = site.jenkins.job("app")
    job.build()
    job.build()
    site.jenkins.fail("/job/app/2/wfapi/*", status=500)
    assert site.run("once").returncode == 75
    assert numbers(site, "app") == [1]


def test_an_answer_without_end_is_cut_off(site: Site) -> None:
    """Where `answer_limit` says: the build goes without what was asked."""
    site.configure(site.controller(answer_limit="8MiB"))
    site.jenkins.job("app").build()
    site.jenkins.fail("/job/app/1/wfapi/*", status=200, body=b'"' + b"x" * 10_000_000 + b'"',
                      headers={"Content-Type": "application/json"})  # fmt: skip
    result = site.run("once")
    assert result.returncode == 0
    assert "larger than" in result.stderr
    assert site.sei.received[0]["job_run"] is None


def test_credentials_never_go_to_another_host(site: Site) -> None:
    """A redirect is not followed."""
    site.jenkins.fail("/*", status=302, headers={"Location": f"{site.sei_server.url}stolen"})
    assert site.run("once").returncode == 69
    assert site.sei.requests == []


def test_no_secret_is_in_the_ledger(site: Site) -> None:
    """Neither ours nor a parameter that looks like one."""
    site.jenkins.job("app").build(parameters={"DB_PASSWORD": "hunter2", "ENV": "prod"})
    site.run("once")
    assert TOKEN.encode() not in site.ledger.read_bytes()
    params = site.sei.received[0]["job_run_params"]
    assert params == [{"type": "StringParameterValue", "name": "ENV", "value": "prod"}]


def test_jsonl_takes_the_same_runs(site: Site) -> None:
    """A second sink has its own deliveries."""
    path = site.directory / "runs.jsonl"
    site.configure(more=f'[jsonl]\npath = "{path}"')
    site.jenkins.job("app").build()
    assert site.run("once").returncode == 0
    assert len(path.read_text().splitlines()) == 1
    assert {"sei", "jsonl"} == set(site.read("status")["controllers"][0]["sinks"])


def test_only_one_works_on_a_ledger(site: Site) -> None:
    """The second one says so and ends with 73."""
    site.jenkins.fail("/*", status=None, delay=3)
    with site.start("once") as first:
        while not site.jenkins.requests:
            pass
        result = site.run("once")
        assert result.returncode == 73
        assert "another" in result.stderr
        site.jenkins.clear_faults()
        first.communicate(timeout=60)


def test_an_instance_guid_belongs_to_each_run(site: Site) -> None:
    """As configured."""
    site.jenkins.job("app").build()
    site.run("once")
    assert site.sei.received[0]["instance_guid"] == GUID


def test_numbers_without_a_build_are_passed_and_counted(site: Site) -> None:
    """Deleted before they were seen, or jumped over: nothing waits for them, and `status` says so."""
    job = site.jenkins.job("app")
    job.build()
    site.run("once")
    job.build()
    job.build()
    job.delete_build(2)
    job.next_build_number = 1000
    job.build()
    result = site.run("once")
    assert result.returncode == 75
    assert "app #2: no answer has it yet" not in result.stdout, "too far back to be looked for"
    assert "app #999: no answer has it yet" in result.stdout
    assert sorted(numbers(site, "app")) == [1, 3, 1000]
    site.look_again(4)
    assert site.run("once").returncode == 0
    assert site.read("status")["controllers"][0]["gaps"] == 997
    assert "997 numbers without a build" in site.run("status").stdout
    with sqlite3.connect(site.ledger) as conn:
        assert conn.execute("select watermark from jobs").fetchone() == (1000,)
    conn.close()


def test_a_damaged_ledger_is_one_sentence(site: Site) -> None:
    """Exit 73 for every command, and the file as it was."""
    for _ in range(30):
        site.jenkins.job("app").build()
    site.run("once")
    raw = bytearray(site.ledger.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    site.ledger.write_bytes(raw)
    for command in (
        ["once"],
        ["status"],
        ["reconcile"],
        ["backfill", "--since", "all"],
        ["rejected"],
    ):
        result = site.run(*command)
        assert result.returncode == 73, (command, result.stderr)
        assert "restore it from a backup" in result.stderr
    assert site.ledger.read_bytes() == raw
