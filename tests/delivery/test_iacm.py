"""Terraform builds on record at Harness IaCM: the second sink."""

from __future__ import annotations

import pytest

from poller.delivery.iacm_client import MEANINGS
from poller.demo.jenkins.stages import Stages
from poller.demo.sei import Sei
from tests.support.simulated_iacm import FIRST_PAGES, Harness
from tests.support.simulated_iacm_site import HARNESS_KEY, RULE, Place, execution
from tests.support.waiting import wait_for


def test_a_build_of_a_workspace_is_recorded_once(place: Place) -> None:
    """With the ids that SEI has it under; builds of other jobs are SEI's alone."""
    place.terraform()
    place.site.jenkins.job("app").build()
    assert place.site.run("once").returncode == 0
    assert place.site.run("once").returncode == 0
    (run,) = [r for r in place.site.sei.received if r["job_full_name"] == "tf/network"]
    plan = run["job_run"]["stages"][1]
    assert [
        {
            "pipeline": "tf/network",
            "pipeline_execution_id": run["execution_id"],
            "pipeline_stage_id": plan["id"],
            "workspace": "network",
        }
    ] == place.harness.received
    assert len(place.site.sei.received) == 2
    told = place.sink()
    assert (
        told["delivered"], told["queued"], told["rejected"], told["skipped"]
    ) == (1, 0, 0, 0)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "stages", "more", "why"),
    [
        ("freestyle", None, "", "no stage tree"),
        ("pipeline", (), "", "no stage tree"),
        ("pipeline", None, "", "no stage names terraform, tofu or terragrunt"),
        ("pipeline", None, 'iacm_stage = "Apply"', "no stage is called Apply"),
    ],
)
def test_a_build_without_a_stage_is_skipped_for_this_sink_and_counted(
    place: Place, kind: str, stages: Stages | None, more: str, why: str
) -> None:
    """SEI gets it all the same; `status` says how many, and why."""
    place.configure(f'[[rules]]\nmatch = "tf/**"\niacm_workspace = "network"\n{more}\n')
    job = place.site.jenkins.job("tf/network", kind=kind)
    for _ in range(2):
        job.build(stages=stages)
    assert place.site.run("once").returncode == 0
    assert place.harness.requests == []
    assert len(place.site.sei.received) == 2
    assert {why: 2} == place.sink()["skipped_because"]
    assert place.site.read("status")["controllers"][0]["skipped"] == 0
    assert f"2 skipped ({why}: 2)" in place.site.run("status").stdout
    assert place.site.run("reconcile").returncode == 0


def test_the_kept_ids_are_the_same_for_ever(place: Place) -> None:
    """A rule that changes while an execution waits does not change what is sent of it."""
    place.harness.fail(status=503)
    place.terraform()
    assert place.site.run("once").returncode == 75
    place.configure(RULE.replace("network", "another") + 'iacm_stage = "Apply"\n')
    place.harness.clear_faults()
    assert place.site.run("once").returncode == 0
    (sent,) = place.harness.received
    (run,) = place.site.sei.received
    assert sent["workspace"] == "network"
    assert sent["pipeline_stage_id"] == run["job_run"]["stages"][1]["id"]


def test_an_unknown_workspace_is_a_rejection_of_this_sink_alone(place: Place) -> None:
    """Told with IaCM's words and ours; a corrected config helps, and SEI gets nothing twice."""
    place.configure(RULE.replace("network", "netwrok"))
    place.terraform()
    assert place.site.run("once").returncode == 0
    (refused,) = place.site.read("rejected")
    assert (refused["sink"], refused["status"]) == ("iacm", 400)
    told = place.site.run("rejected").stdout
    assert "workspace netwrok not found" in told
    assert "is the workspace's identifier right?" in told
    assert place.site.run("reconcile").returncode == 0, "a rejection is settled"
    place.configure()
    assert place.site.run("retry", "--all").returncode == 0
    assert [one["workspace"] for one in place.harness.received] == ["network"]
    assert len(place.site.sei.received) == 1
    assert place.site.read("rejected") == []


def test_a_rejection_that_no_rule_asks_for_any_more_stays(place: Place) -> None:
    """`retry` says why, and sends nothing."""
    place.configure(RULE.replace("network", "netwrok"))
    place.terraform()
    place.site.run("once")
    place.configure("")
    result = place.site.run("retry", "--all")
    assert result.returncode == 75
    assert "it would be left out now: no rule names an iacm_workspace for it" in result.stdout
    assert [one["sink"] for one in place.site.read("rejected")] == ["iacm"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_this_sink_alone(place: Place, status: int) -> None:
    """Nothing is rejected for it; the hint says what to do about Harness, not about SEI."""
    place.harness.fail(status=status)
    for _ in range(3):
        place.terraform()
    result = place.site.run("once")
    assert result.returncode == 75
    assert f"HTTP {status}" in result.stdout
    assert f"iacm: {MEANINGS[status]}" in result.stderr
    assert len(place.site.sei.received) == 3
    assert (place.sink()["queued"], place.sink()["rejected"]) == (3, 0)
    place.harness.clear_faults()
    assert place.site.run("once").returncode == 0
    assert len(place.harness.received) == 3


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_each_good_status_is_a_delivery(place: Place, status: int) -> None:
    """With a body, or without one."""
    place.harness.fail(status=status, body="" if status == 204 else "{}")
    place.terraform()
    assert place.site.run("once").returncode == 0
    assert place.sink()["delivered"] == 1


@pytest.mark.parametrize("status", [412, 415, 422])
def test_other_refusals_are_rejections(place: Place, status: int) -> None:
    """Each is settled, with the answer kept."""
    place.harness.fail(status=status, body="their words")
    place.terraform()
    assert place.site.run("once").returncode == 0
    (refused,) = place.site.read("rejected")
    assert (refused["status"], refused["answer"]) == (status, "their words")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_a_moment_may_cure_stays_queued(place: Place, status: int) -> None:
    """And is sent again, the same."""
    place.harness.fail(status=status, times=1)
    place.terraform()
    assert place.site.run("once").returncode == 0
    assert len(place.harness.received) == 1


@pytest.mark.parametrize("body", ["<html>log in</html>", "null", "[]", "{"])
def test_a_login_page_is_no_delivery(place: Place, body: str) -> None:
    """A 200 that is not the API's leaves the execution queued."""
    place.harness.fail(status=200, body=body)
    place.terraform()
    result = place.site.run("once")
    assert result.returncode == 75
    assert "no JSON" in result.stdout
    assert place.sink()["queued"] == 1


def test_a_redirect_is_not_followed(place: Place) -> None:
    """The key goes to the configured host and nowhere else."""
    place.harness.fail(status=302, headers={"Location": place.site.sei_server.url})
    place.terraform()
    assert place.site.run("once").returncode == 75
    assert len(place.site.sei.requests) == 1


@pytest.mark.parametrize("refuses", [False, True])
def test_a_lost_answer_makes_no_second_execution(place: Place, *, refuses: bool) -> None:
    """It is sent again with the same ids; a server that refuses what it has is asked for it."""
    place.harness.hold_answers, place.harness.refuse_doubles = True, refuses
    place.terraform()
    assert place.site.run("once").returncode == (0 if refuses else 75)
    place.harness.hold_answers = False
    assert place.site.run("once").returncode == 0
    assert len(place.harness.executions) == 1
    assert (place.sink()["delivered"], place.sink()["rejected"]) == (1, 0)
    assert all(one == place.harness.received[0] for one in place.harness.received)


def test_a_sink_that_is_down_holds_no_other_back(place: Place) -> None:
    """While one does not answer at all, the service delivers to the other at once."""
    place.configure(every="1s", timeout="30s")
    sei, harness = place.site.sei, place.harness
    servers: list[tuple[Sei | Harness, Sei | Harness]] = [(harness, sei), (sei, harness)]
    for down, up in servers:
        down.fail(status=None, delay=60)
        with place.site.start("run") as process:
            for count in range(len(up.received) + 1, len(up.received) + 4):
                place.terraform()
                wait_received(up, count)
            process.kill()
            process.communicate()
        down.clear_faults()
        assert place.site.run("once").returncode == 0
    assert len(harness.executions) == len(sei.runs) == 6


def wait_received(receiver: Sei | Harness, count: int) -> None:
    """Until it has received so many."""
    wait_for(lambda: len(receiver.received) >= count)


def test_preview_shows_what_iacm_would_get(place: Place) -> None:
    """Sent nowhere; or why it gets nothing."""
    place.terraform()
    place.site.jenkins.job("tf/free", kind="freestyle").build()
    place.site.jenkins.job("app").build()
    shown = place.site.read("preview", "tf/network", "1", "--sink", "iacm")
    assert place.harness.requests == []
    place.site.run("once")
    assert [shown] == place.harness.received
    assert place.site.read("preview", "tf/free", "1", "--sink", "iacm") == {
        "controller": "main", "skip": "no stage tree",
    }  # fmt: skip
    told = place.site.run("preview", "app", "1", "--sink", "iacm").stdout
    assert told == "skipped: no rule names an iacm_workspace for it\n"
    for more in (("--sink", "other"), ("--sink", "iacm", "--explain")):
        assert place.site.run("preview", "app", "1", *more).returncode == 64
    place.site.configure()
    result = place.site.run("preview", "app", "1", "--sink", "iacm")
    assert (result.returncode, "no [harness]" in result.stderr) == (64, True)


@pytest.mark.parametrize("numbering", FIRST_PAGES)
def test_reconcile_compares_what_iacm_has(place: Place, numbering: str) -> None:
    """What is missing there is found and sent again, the same; what others recorded is not ours."""
    place.harness.numbering, place.harness.most = numbering, 2
    for number in range(5):
        place.terraform()
        place.harness.record(execution(number))
    assert place.site.run("once").returncode == 0
    result = place.site.run("reconcile", "--sink", "iacm")
    assert (result.returncode, result.stdout) == (
        0, "5 builds of 1 jobs compared with IaCM: 0 missing, 0 differing\n",
    )  # fmt: skip
    ours = [one for one in place.harness.executions if one["pipeline"] == "tf/network"]
    place.harness.executions.remove(ours[1])
    place.harness.executions.remove(ours[3])
    ours[4]["workspace"] = "elsewhere"
    told = place.site.read("reconcile", "--sink", "iacm")
    assert told["checked"] == 5
    assert [(one["job"], one["number"]) for one in told["missing"]] == [
        ("tf/network", 2), ("tf/network", 4),
    ]  # fmt: skip
    assert [one["why"] for one in told["differing"]] == [
        "workspace elsewhere at IaCM, network in the ledger"
    ]
    result = place.site.run("reconcile", "--sink", "iacm")
    assert result.returncode == 1
    assert "main: tf/network #2: delivered, and not on record at IaCM" in result.stdout
    ours[4]["workspace"] = "network"
    assert place.site.run("reconcile", "--sink", "iacm", "--repair").returncode == 0
    assert place.harness.received[5:] == [place.harness.received[1], place.harness.received[3]]
    assert place.site.run("reconcile", "--sink", "iacm").returncode == 0
    assert len(place.site.sei.received) == 5


def test_what_iacm_does_not_list_is_not_missing(place: Place) -> None:
    """A page that can't be had ends the comparison: nothing is sent again for it."""
    place.harness.most = 2
    for _ in range(5):
        place.terraform()
    place.site.run("once")
    place.harness.fail("*page=1*", status=500)
    result = place.site.run("reconcile", "--sink", "iacm", "--repair")
    assert (result.returncode, len(place.harness.received)) == (69, 5)
    assert "not compared: Harness: executions, page 1: HTTP 500" in result.stdout


def test_the_key_is_nowhere(place: Place) -> None:
    """Not in what is printed, the journal, the ledger, the page's metrics or the arguments."""
    place.harness.fail(status=401, times=1)
    place.terraform()
    outputs = [
        place.site.run(*command)
        for command in (
            ("once",), ("check",), ("config", "show"), ("status",), ("rejected",),
            ("executions", "list"), ("reconcile", "--sink", "iacm"),
        )
    ]  # fmt: skip
    assert HARNESS_KEY not in "".join(one.stdout + one.stderr for one in outputs)
    for file in place.site.directory.iterdir():
        assert HARNESS_KEY.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("rules", "keys", "words"),
    [
        ('[[rules]]\nmatch = "a"\niacm_stage = "Apply"', {}, "iacm_stage without iacm_workspace"),
        ("", {"account": "../x"}, "account: "),
        ("", {"org": "a/b"}, "org: "),
        ("", {"url": "ftp://x"}, "url: a web address"),
        ("", {"api_key_file": "/k"}, "exactly one of api_key_env"),
        ("", {"timeout": "5ms"}, "at least 1s"),
    ],
)
def test_a_wrong_config_is_told(place: Place, rules: str, keys: dict[str, str], words: str) -> None:
    """With its key and line."""
    place.configure(rules, **keys)
    result = place.site.run("once")
    assert (result.returncode, words in result.stderr) == (78, True), result.stderr


def test_a_workspace_needs_the_table(place: Place) -> None:
    """A rule that names one, without [harness], is no rule that does nothing."""
    place.site.configure(more=RULE)
    result = place.site.run("once")
    assert result.returncode == 78
    assert "[harness] is missing: the rule tf/** names an iacm_workspace" in result.stderr


def test_check_looks_at_harness(place: Place) -> None:
    """The way there, the key, the project; and that some rule uses it."""
    good = place.site.run("check")
    assert "Harness: API key accepted, executions of org/project can be read" in good.stdout
    place.configure("")
    assert "no rule names an iacm_workspace" in place.site.run("check").stdout
    place.harness.fail("*/executions", status=403)
    result = place.site.run("check")
    assert result.returncode == 69
    assert MEANINGS[403] in result.stdout
    place.server.stop()
    result = place.site.run("check")
    assert result.returncode == 69
    place.server.start()


def test_a_repair_is_sent_to_a_sink_while_another_is_down(place: Place) -> None:
    """`retry` reaches IaCM although SEI does not answer."""
    place.configure(RULE.replace("network", "netwrok"))
    place.terraform()
    place.site.sei.fail(status=503)
    assert place.site.run("once").returncode == 75
    place.configure()
    place.site.sei.clear_faults()
    place.site.sei.fail(status=None, delay=60)
    with place.site.start("retry", "--all") as process:
        wait_received(place.harness, 1)
        process.kill()
        process.communicate()
    assert [one["workspace"] for one in place.harness.received] == ["network"]
