"""Console logs from Jenkins to the archive, and `sei-poller logs`, against real servers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from poller.config.rules import Extract
from poller.core.errors import Unreachable
from poller.core.kept_log import unpack
from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.consoles import LongLog
from poller.demo.jenkins.items import Job
from poller.http.client import Connection
from poller.jenkins.build_pages import whole_build
from poller.jenkins.client import JenkinsClient
from poller.jenkins.console import ConsoleLog
from poller.ledger import Ledger
from poller.mapping.extract import Extraction
from poller.mapping.redaction import Redactor
from poller.polling.extras.console_log import CollectedLog, LogCollector, LogPolicy, is_kept
from tests.support.site import TOKEN, Site

COMMIT = Extract.model_validate({"match": "**", "commit": {"pattern": r"revision (?P<commit>\w+)"}})


def failed(job: Job, log: str | LongLog, result: str = "FAILURE") -> Build:
    """A completed build with that log."""
    build = job.start()
    build.log = log
    return build.finish(result, 5)


def keep(site: Site, logs: str = "failed", more: str = "", **keys: str) -> None:
    """Configure what is kept."""
    site.configure(site.controller(logs=logs, **keys), more=more)


def read(
    site: Site,
    build: str,
    *,
    keep: int = 2**20,
    timeout: float = 5.0,
    rules: tuple[Extract, ...] = (),
) -> CollectedLog:
    """One log of job ``app`` as the program reads it."""
    console = LogCollector("all", keep, timeout, Extraction(rules))

    async def main() -> CollectedLog | None:
        connection = Connection(site.jenkins_server.url, int(timeout * 1000), 4)
        api = JenkinsClient("main", connection, "reader", TOKEN)
        try:
            return await console.read(
                api, "app", await whole_build(api, "app", int(build)), Redactor()
            )
        finally:
            await api.aclose()

    log = asyncio.run(main())
    assert log is not None
    return log


def test_a_failed_builds_log_is_kept_and_read(site: Site) -> None:
    """Clean and redacted; the payload goes as ever."""
    keep(site)
    failed(
        site.jenkins.job("team/app"), "Started by user bob\npassword=hunter2\n\x1b[31mboom\x1b[0m\n"
    )
    assert site.run("once").returncode == 0
    result = site.run("logs", "team/app", "1")
    assert result.stdout == "Started by user bob\npassword=****\nboom\nFinished: FAILURE\n"
    assert b"hunter2" not in site.ledger.read_bytes()
    assert site.run("logs", "team/app", "1", "--tail", "2").stdout == "boom\nFinished: FAILURE\n"
    shown = site.read("logs", "team/app", "1")
    assert (shown["controller"], shown["job"], shown["number"]) == ("main", "team/app", 1)
    assert (shown["result"], shown["absent"], shown["left_out"]) == ("FAILURE", None, 0)
    assert len(site.sei.received) == 1


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("none", []),
        ("failed", ["FAILURE", "UNSTABLE", "ABORTED"]),
        ("all", ["SUCCESS", "FAILURE", "UNSTABLE", "ABORTED", "NOT_BUILT"]),
    ],
)
def test_which_logs_are_kept(site: Site, policy: LogPolicy, expected: list[str]) -> None:
    """And no other is asked for."""
    keep(site, policy)
    results = ["SUCCESS", "FAILURE", "UNSTABLE", "ABORTED", "NOT_BUILT"]
    for result in results:
        failed(site.jenkins.job("app", kind="freestyle"), "boom\n", result)
    site.run("once")
    asked = [r for r in site.jenkins.requests if "consoleText" in r.path or "logText" in r.path]
    assert len(asked) == len(expected)
    hits = site.read("logs", "--search", "boom")["hits"]
    assert {hit["result"] for hit in hits} == set(expected)
    assert [is_kept(policy, r) for r in results] == [r in expected for r in results]


def test_values_of_the_builds_own_secrets_are_hidden(site: Site) -> None:
    """Where Jenkins tells them: a string parameter with a secret's name."""
    keep(site)
    build = site.jenkins.job("app").start(
        parameters={"DEPLOY_TOKEN": "opensesame", "ENV": "staging"}
    )
    build.log = "using opensesame on staging\n"
    build.finish("FAILURE", 5)
    site.run("once")
    assert "using **** on staging" in site.run("logs", "app", "1").stdout


def test_search(site: Site) -> None:
    """Words and phrases, with the line, narrowed by time, job and controller."""
    keep(site)
    failed(site.jenkins.job("team/app"), "a\njava.lang.OutOfMemoryError: Java heap space\n")
    failed(site.jenkins.job("team/app"), "heap of java\n")
    failed(site.jenkins.job("other"), "Java heap dump\n")
    site.run("once")
    result = site.run("logs", "--search", "OutOfMemory")
    assert result.returncode == 0
    title, line = result.stdout.splitlines()
    assert title.startswith("main: team/app #1  20")
    assert line == "  2: java.lang.OutOfMemoryError: Java heap space"
    assert len(site.read("logs", "--search", "java heap")["hits"]) == 3
    phrase = site.read("logs", "--search", '"java heap"', "--since", "1h")
    assert {(hit["job"], hit["number"]) for hit in phrase["hits"]} == {
        ("team/app", 1),
        ("other", 1),
    }
    narrow = ("--search", "heap", "--job", "team/*", "--limit", "1")
    assert site.read("logs", *narrow)["more"] is True
    assert "--limit" in site.run("logs", *narrow).stderr
    assert site.read("logs", "--search", "heap", "--controller", "x")["hits"] == []
    nothing = site.run("logs", "--search", "absent")
    assert (nothing.stdout, nothing.stderr) == ("", "nothing found\n")


@pytest.mark.parametrize(
    "arguments",
    [(), ("app",), ("--search", "x", "--follow"), ("--search", "!?"), ("app", "1", "--search", "x"),
     ("--search", "x", "--since", "soon")],
)  # fmt: skip
def test_what_is_no_command(site: Site, arguments: tuple[str, ...]) -> None:
    """Usage errors end with 64."""
    site.run("once")
    assert site.run("logs", *arguments).returncode == 64


def test_no_log_is_kept(site: Site) -> None:
    """65, with the cure."""
    site.jenkins.job("app").build()
    site.run("once")
    result = site.run("logs", "app", "1")
    assert result.returncode == 65
    assert "--follow" in result.stderr


def test_a_log_that_is_gone_keeps_no_run_back(site: Site) -> None:
    """Its absence is recorded, and told."""
    keep(site)
    failed(site.jenkins.job("app"), "boom\n")
    site.jenkins.fail("*/consoleText", status=404)
    site.jenkins.fail("*/logText/*", status=404)
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 1
    result = site.run("logs", "app", "1")
    assert (result.returncode, result.stdout) == (0, "")
    assert "could not be read: HTTP 404" in result.stderr
    assert site.read("logs", "app", "1")["absent"] == "HTTP 404"


def test_a_large_log_that_stalls(site: Site) -> None:
    """After its first part: that is kept, and the line says why there is no more."""
    failed(site.jenkins.job("app"), LongLog(100_000, 50, lambda n: f"line {n}"))
    site.jenkins.fail("*/consoleText", status=None, stall=60)
    log = read(site, "1", timeout=0.3).kept
    assert log.read_error == "no more of the answer in time"
    assert log.packed is not None
    assert unpack(log.packed).startswith(b"line 0 ")
    assert len([r for r in site.jenkins.requests if "consoleText" in r.path]) == 2


@pytest.mark.parametrize("page", ["<html>Sign in</html>", ""])
def test_a_login_page_is_no_log(site: Site, page: str) -> None:
    """Whatever its status says."""
    keep(site)
    failed(site.jenkins.job("app"), "boom\n")
    site.jenkins.fail("*/consoleText", status=200, body=page)
    assert site.run("once").returncode == 0
    assert "text/html where plain text is due" in site.run("logs", "app", "1").stderr


def test_a_stalled_log_keeps_no_run_back(site: Site) -> None:
    """For longer than its two tries; what came of it is kept."""
    keep(site, timeout="1s")
    failed(site.jenkins.job("app"), "one\n" + "two\n" * 50)
    site.jenkins.fail("*/logText/*", status=None, stall=600)  # longer than the command may take
    site.jenkins.fail("*/consoleText", status=404)
    assert site.run("once").returncode == 0
    assert len(site.sei.received) == 1
    result = site.run("logs", "app", "1")
    assert result.stdout.startswith("one\ntwo\n")
    assert "[... the rest could not be read: no more of the answer in time ...]" in result.stdout


def test_a_log_that_breaks_off_is_asked_for_once_more(site: Site) -> None:
    """And is then whole."""
    keep(site)
    failed(site.jenkins.job("app"), "boom\n")
    headers = {"Content-Type": "text/plain"}
    site.jenkins.fail(
        "*/consoleText", status=200, body="bo", headers=headers, break_off=True, times=1
    )
    site.run("once")
    assert site.run("logs", "app", "1").stdout == "boom\nFinished: FAILURE\n"


def test_where_one_way_to_a_log_is_closed_the_other_is_gone(site: Site) -> None:
    """`progressiveText`, with its CRLF and without hidden notes."""
    keep(site)
    failed(site.jenkins.job("app"), "Started by user bob\n[Pipeline] sh\n")
    site.jenkins.fail("*/consoleText", status=404)
    site.run("once")
    assert (
        site.run("logs", "app", "1").stdout
        == "Started by user bob\n[Pipeline] sh\nFinished: FAILURE\n"
    )


def test_a_log_is_read_piece_by_piece_while_run_listeners_work(site: Site) -> None:
    """A pipeline in post-production is completed, and its log is still open."""
    build = site.jenkins.job("app").start()
    build.log = "".join(f"[Pipeline] {n}\n" for n in range(25_000))
    build.finish("FAILURE", 5, post_production=True)
    site.jenkins.fail("*/consoleText", status=404)
    log = read(site, "1").kept
    assert log.packed is not None
    lines = unpack(log.packed).decode().splitlines()
    assert lines == [*(f"[Pipeline] {n}" for n in range(25_000)), "Finished: FAILURE"]


def test_logs_go_when_their_time_is_over(site: Site) -> None:
    """`keep_logs`."""
    keep(site)
    failed(site.jenkins.job("app"), "boom\n")
    site.run("once")
    site.config.write_text(
        site.config.read_text().replace("[ledger]", '[ledger]\nkeep_logs = "1ms"')
    )
    site.jenkins.job("app").build()  # what is old is so by Jenkins' clock, too
    site.run("once")
    assert site.run("logs", "app", "1").returncode == 65
    assert site.read("logs", "--search", "boom")["hits"] == []


def test_head_and_tail_of_a_large_log(site: Site) -> None:
    """And what is left out between them."""
    site.jenkins.job("app")
    failed(site.jenkins.jobs["app"], LongLog(200_000, 50, lambda n: f"line {n}"))
    log = read(site, "1", keep=10_000).kept
    assert log.packed is not None
    lines = unpack(log.packed).decode().splitlines()
    assert lines[0].strip() == "line 0"
    assert lines[-1] == "Finished: FAILURE"
    assert lines[-2].strip() == "line 199999"
    assert log.size == 10_000_000 + len("Finished: FAILURE\n")
    out = 200_001 - (len(lines) - 1)
    assert f"[... {out:,} lines, {log.left_out:,} bytes left out here ...]" in lines


def test_rules_read_all_of_a_log_that_is_not_kept(site: Site) -> None:
    """`logs = "none"`: read for the rules alone."""
    log = LongLog(100_000, 50, lambda n: f"revision {n:040x}" if n % 50_000 == 9 else "x")
    failed(site.jenkins.job("app"), log, "SUCCESS")
    found = read(site, "1", keep=0, rules=(COMMIT,))
    assert found.kept.packed is None
    assert found.extracted.commits == (f"{9:040x}", f"{50_009:040x}")


MEMORY = """
import asyncio, resource, sys
from poller.demo.jenkins.consoles import LongLog
from poller.http.client import Connection
from poller.jenkins.build_pages import newest_builds
from poller.jenkins.client import JenkinsClient
from poller.mapping.extract import Extraction
from poller.mapping.redaction import Redactor
from poller.polling.extras.console_log import LogCollector

async def main():
    api = JenkinsClient("main", Connection(sys.argv[1], 60_000, 4), "reader", "reader-token")
    console = LogCollector("all", 2**20, 60.0, Extraction())
    builds = (await newest_builds(api, "app", 2)).builds
    for build in sorted(builds, key=lambda build: build.number):
        log = (await console.read(api, "app", build, Redactor())).kept
        assert log.read_error is None, log.read_error
        print(log.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    await api.aclose()

asyncio.run(main())
"""


def test_a_large_log_takes_no_more_memory_than_a_small_one(site: Site, tmp_path: Path) -> None:
    """Than `log_limit` and what comes with it: 200 MB here, in bench/RESULTS.md 2 GB."""
    job = site.jenkins.job("app")
    failed(
        job,
        LongLog(
            4_000, 1_000, lambda n: f"line {n} password=hunter2" if n % 100 == 0 else f"line {n}"
        ),
    )
    failed(job, LongLog(200_000, 1_000, lambda n: f"line {n}"))
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, site.jenkins_server.url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    small, large = (tuple(map(int, line.split())) for line in result.stdout.splitlines())
    assert large[0] > 200_000_000
    assert large[1] - small[1] < 8_192  # KiB


def test_follow_a_running_build(site: Site) -> None:
    """As it grows, redacted, to its end; only the last lines of what was there."""
    build = site.jenkins.job("app").start()
    build.log = "one\ntwo\npassword=hunter2\nbegun"
    with site.start("logs", "app", "1", "--follow", "--tail", "2") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "two\n"
        assert process.stdout.readline() == "password=****\n"
        build.log += " and ended\ntoken: abc\n"
        assert process.stdout.readline() == "begun and ended\n"
        assert process.stdout.readline() == "token: ****\n"
        site.jenkins.fail("*/logText/*", status=500, times=1)
        build.finish("SUCCESS", 5)
        assert process.communicate(timeout=20)[0] == "Finished: SUCCESS\n"
    assert process.returncode == 0


def test_follow_goes_on_where_jenkins_says(site: Site) -> None:
    """Hidden notes count: nothing comes twice; more lines than Jenkins sends at once come too."""
    build = site.jenkins.job("app").start()
    lines = [f"[Pipeline] {n}" for n in range(25_000)]
    build.log = "\n".join(lines) + "\n"
    with site.start("logs", "app", "1", "--follow") as process:
        assert process.stdout is not None
        out = [process.stdout.readline().rstrip("\n") for _ in lines]
        build.finish("SUCCESS", 5)
        rest, _ = process.communicate(timeout=60)
    assert [*out, rest] == [*lines, "Finished: SUCCESS\n"]
    assert len([r for r in site.jenkins.requests if "logText" in r.path]) > 3


def test_follow_a_completed_build(site: Site) -> None:
    """All of it, once, without the archive."""
    failed(site.jenkins.job("app"), "one\ntoken=abc\n")
    result = site.run("logs", "app", "1", "--follow")
    assert result.stdout == "one\ntoken=****\nFinished: FAILURE\n"
    assert site.run("logs", "app", "1", "--follow", "--tail", "1").stdout == "Finished: FAILURE\n"


def test_follow_what_is_not_there(site: Site) -> None:
    """65; where Jenkins is away, 69."""
    assert site.run("logs", "app", "1", "--follow").returncode == 65
    site.jenkins_server.stop()
    assert site.run("logs", "app", "1", "--follow").returncode == 69


def test_a_log_on_two_controllers(site: Site) -> None:
    """Which, has to be said."""
    site.configure(
        site.controller("one", logs="all"),
        site.controller("two", logs="all", instance_guid="11111111-8b86-4d01-b42d-00cf4fc964ff"),
    )
    failed(site.jenkins.job("app"), "boom\n")
    site.run("once")
    assert site.run("logs", "app", "1").returncode == 64
    assert site.run("logs", "app", "1", "--follow").returncode == 64
    assert "boom" in site.run("logs", "app", "1", "--controller", "two").stdout
    assert {hit["controller"] for hit in site.read("logs", "--search", "boom")["hits"]} == {
        "one",
        "two",
    }


def test_the_api_tells_what_it_read(site: Site) -> None:
    """`start` beyond the end is the whole log from its beginning; a limit ends the reading."""
    failed(site.jenkins.job("app"), "Started by user bob\n" + "x" * 200_000 + "\n")

    async def main() -> None:
        api = JenkinsClient("main", Connection(site.jenkins_server.url, 5_000, 1), "reader", TOKEN)
        log = ConsoleLog(api, "app", 1)
        taken: list[bytes] = []
        whole = await log.read(taken.append, start=0, seconds=5)
        assert (whole.complete, whole.more) == (True, False)
        assert whole.size is not None
        assert whole.size > whole.read - taken[0].count(b"\r") - 10
        beyond = await log.read(taken.append, start=whole.size + 1, seconds=5)
        assert beyond == whole
        end = await log.read(taken.append, start=whole.size, seconds=5)
        assert (end.read, end.size, end.more) == (0, whole.size, False)
        cut = await log.read(taken.append, limit=10, seconds=5)
        assert (cut.complete, cut.size) == (False, None)
        site.jenkins.fail(status=None, delay=3)
        with pytest.raises(Unreachable, match=r"not done in 0\.2 s"):
            await log.read(taken.append, seconds=0.2)
        await api.aclose()

    asyncio.run(main())


def test_logs_of_the_ledger_are_for_its_owner_only(site: Site) -> None:
    """As all that is in it."""
    keep(site)
    failed(site.jenkins.job("app"), "boom\n")
    site.run("once")
    with Ledger(site.ledger, read_only=True) as ledger:
        assert len(ledger.logs.of_build("app", 1)) == 1
    assert site.ledger.stat().st_mode & 0o077 == 0


def test_what_rules_find_goes_with_the_run(site: Site) -> None:
    """Artifacts and commits, of a job that a rule matches, though no log is kept."""
    rules = """
[[extract]]
match = "team/**"
artifact = { pattern = 'pushed (?P<location>\\S+)/(?P<name>[^/:]+):(?P<qualifier>\\S+)', type = "container", output = true }

[[extract]]
match = "team/**"
commit = { pattern = 'built (?P<commit>[0-9a-f]{40})' }
"""
    keep(site, "none", rules)
    log = f"built {'a' * 40}\npushed reg.example.com/shop:1.2\npushed reg.example.com/shop:1.2\n"
    for name in ("team/app", "other"):
        failed(site.jenkins.job(name, kind="freestyle"), log, "SUCCESS")
    assert site.run("once").returncode == 0
    runs = {run["job_full_name"]: run for run in site.sei.received}
    assert runs["team/app"]["artifacts"] == [
        {
            "input": False, "output": True, "type": "container",
            "location": "reg.example.com", "name": "shop", "qualifier": "1.2",
        }
    ]  # fmt: skip
    assert runs["team/app"]["scm_commit_ids"] == ["a" * 40]
    assert "artifacts" not in runs["other"]
    assert site.run("logs", "team/app", "1").returncode == 65
    assert site.read("preview", "team/app", "1") == runs["team/app"]
    assert "[[extract]] 1, 2" in site.run("preview", "team/app", "1", "--explain").stdout


def test_a_run_without_its_log_is_named_in_status(site: Site) -> None:
    """With the reason, as a manifest that can't be used is."""
    keep(site, "all")
    failed(site.jenkins.job("app"), "boom\n")
    site.jenkins.fail("*/consoleText", status=404)
    site.jenkins.fail("*/logText/*", status=404)
    site.run("once")
    assert "console log: HTTP 404" in site.run("status").stdout


@pytest.mark.parametrize("command", ["logs", "skip", "retry"])
def test_a_number_that_no_build_has(site: Site, command: str) -> None:
    """SQLite could not look for it either."""
    site.run("once")
    asked = site.run(command, "app", str(2**64))
    assert asked.returncode == 64
    assert "2147483647" in asked.stderr
