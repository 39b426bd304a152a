"""Causes further up, archived manifests and rules through the real command: nothing of them holds a
run back for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.site import Site

MANIFEST = {
    "artifacts": [
        {"input": True, "output": False, "type": "container", "location": "registry/app",
         "name": "app", "qualifier": 42, "hash": "sha256:ab", "metadata": {"team": "x", "token": "t"}}
    ]
}  # fmt: skip


def test_the_chain_of_a_run(site: Site) -> None:
    """Up to the user who began it; what two builds have above them is asked for once."""
    top = site.jenkins.job("top").build(user="ada")
    middle = site.jenkins.job("team/middle").build(upstream=top)
    site.jenkins.job("down").build(upstream=middle)
    site.jenkins.job("other").build(upstream=middle)
    assert site.run("once").returncode == 0
    runs = {run["job_full_name"]: run for run in site.sei.received}
    above: dict[str, Any] = {"id": "ada", "type": "UserIdCause"}
    for job in ("top", "team/middle"):
        above = {
            "id": job,
            "type": "UpstreamCause",
            "job_run_number": "1",
            "direct_parents": [above],
        }
    assert runs["down"]["trigger_chain"] == [above]
    assert [run["user_id"] for run in runs.values()] == ["ada"] * 4
    asked = [r for r in site.jenkins.requests if r.path.endswith("/1/api/json")]
    assert len(asked) == 2


def test_the_number_of_an_upstream_build_is_the_one_sent(site: Site) -> None:
    """Of a job that was created anew, the number goes on."""
    for _ in range(3):
        site.jenkins.job("up").build()
    assert site.run("once").returncode == 0
    site.jenkins.remove("up")
    site.jenkins.job("down").build(upstream=site.jenkins.job("up").build(user="ada"))
    assert site.run("once").returncode == 0
    site.jenkins.job("later").build(upstream=site.jenkins.jobs["up"].build())
    assert site.run("once").returncode == 0
    (link,) = next(r for r in site.sei.received if r["job_full_name"] == "later")["trigger_chain"]
    assert (link["id"], link["job_run_number"]) == ("up", "5")


def test_a_result_that_nobody_knows_is_told(site: Site) -> None:
    """In the log; what is sent is no success. A rule may say otherwise."""
    site.jenkins.job("app").build(result="QUARANTINED")
    result = site.run("once")
    assert "result_unknown" in result.stderr
    assert site.sei.received[0]["result"] == "FAILURE"
    site.configure(more='[[rules]]\nmatch = "**"\nresults = { QUARANTINED = "SUCCESS" }')
    site.jenkins.job("app").build(result="QUARANTINED")
    result = site.run("once")
    assert "result_unknown" not in result.stderr
    assert site.sei.received[1]["result"] == "SUCCESS"


def test_what_a_user_condition_skips(site: Site) -> None:
    """It is known when the causes above are; the reason is the rule's own."""
    rule = 'match = "down"\nwhen = { user = "ada" }\nskip = "by hand"'
    site.configure(more=f"[[rules]]\n{rule}")
    up = site.jenkins.job("up").build(user="ada")
    site.jenkins.job("down").build(upstream=up)
    assert site.run("once").returncode == 0
    assert [run["job_full_name"] for run in site.sei.received] == ["up"]
    told = site.read("status")["controllers"][0]["skipped_because"]
    assert told == {"rule 1 (down): by hand": 1}


def test_an_artifact_manifest(site: Site) -> None:
    """Its artifacts are the run's; one that is used makes it CD."""
    build = site.jenkins.job("app").build()
    build.archive("sei-artifacts.json", json.dumps(MANIFEST).encode())
    assert site.run("once").returncode == 0
    (run,) = site.sei.received
    expected = {**MANIFEST["artifacts"][0], "qualifier": "42", "metadata": {"team": "x"}}
    assert ([expected], False, True) == (run["artifacts"], run["ci"], run["cd"])
    assert site.read("status")["controllers"][0]["incomplete"]["count"] == 0


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{not json", "sei-artifacts.json: not JSON: JSON is malformed"),
        (b'{"artifacts": [{"name": "app"}]}', "artifacts[0] lacks type, location, qualifier"),
        (b" " * 50_000_000, "the answer is larger than 1048576 bytes"),
    ],
)
def test_a_bad_manifest_is_named_and_the_run_goes(site: Site, body: bytes, why: str) -> None:
    """In the log and in `status`, with job and build; nothing is to be done again."""
    site.jenkins.job("team/app").build().archive("sei-artifacts.json", body)
    result = site.run("once")
    assert result.returncode == 0
    assert len(site.sei.received) == 1
    assert "artifacts" not in site.sei.received[0]
    (line,) = [json.loads(one) for one in result.stderr.splitlines()]
    assert (line["job"], line["number"]) == ("team/app", 1)
    assert why in line["detail"]
    told = site.read("status")["controllers"][0]["incomplete"]
    assert (told["count"], told["newest"][0]["job"], told["newest"][0]["number"]) == (
        1,
        "team/app",
        1,
    )
    assert why in told["newest"][0]["why"]
    assert f"team/app #1: {told['newest'][0]['why']}" in site.run("status").stdout


@pytest.mark.parametrize("path", ["/job/up/1/api/json", "*/artifact/*"])
def test_an_outage_holds_a_run_back_for_a_while(site: Site, path: str) -> None:
    """It is tried again, as a stage tree is, and goes whole when Jenkins answers."""
    up = site.jenkins.job("up").build(user="ada")
    down = site.jenkins.job("down").build(upstream=up)
    down.archive("sei-artifacts.json", json.dumps(MANIFEST).encode())
    site.jenkins.fail(path, status=503)
    result = site.run("once")
    assert result.returncode == 75
    assert "down #1" in result.stdout
    assert [run["job_full_name"] for run in site.sei.received] == ["up"]
    site.jenkins.clear_faults()
    site.look_again()
    assert (site.sei.received[1]["user_id"], len(site.sei.received[1]["artifacts"])) == ("ada", 1)


@pytest.mark.parametrize("path", ["/job/up/1/api/json", "*/artifact/*"])
def test_an_outage_without_end_does_not(site: Site, path: str) -> None:
    """After five tries the run goes without, and that is said."""
    up = site.jenkins.job("up").build(user="ada")
    down = site.jenkins.job("down").build(upstream=up)
    down.archive("sei-artifacts.json", json.dumps(MANIFEST).encode())
    site.jenkins.fail(path, status=503)
    assert site.run("once").returncode == 75
    site.look_again(3)
    assert len(site.sei.received) == 1
    site.look_again()
    assert [run["job_full_name"] for run in site.sei.received] == ["up", "down"]
    told = site.read("status")["controllers"][0]["incomplete"]
    assert told["count"] == 1
    assert "HTTP 503" in told["newest"][0]["why"]


def test_skipped_jobs_cost_nothing_more(site: Site) -> None:
    """Recorded with the rule as the reason; neither stages nor causes nor manifests are asked."""
    site.configure(more='[[rules]]\nmatch = "sandbox/**"\nskip = true')
    up = site.jenkins.job("up").build()
    build = site.jenkins.job("sandbox/try").build(upstream=up)
    build.archive("sei-artifacts.json", b"{}")
    assert site.run("once").returncode == 0
    assert [run["job_full_name"] for run in site.sei.received] == ["up"]
    assert site.read("status")["controllers"][0]["skipped_because"] == {"rule 1 (sandbox/**)": 1}
    asked = [r.path for r in site.jenkins.requests if "sandbox" in r.path]
    assert asked == ["/job/sandbox/job/try/api/json"]


def test_a_preview_explains_itself(site: Site) -> None:
    """The rule, and the source of each field; as data, too."""
    site.configure(more='[[rules]]\nmatch = "app"\nproject_name = "Shop"')
    up = site.jenkins.job("up").build(user="ada")
    site.jenkins.job("app").build(upstream=up).archive("sei-artifacts.json", b"[]")
    told = site.run("preview", "app", "1", "--explain").stdout.splitlines()
    assert told[0] == "rule 1 (app)"
    assert 'user_id: "ada"  <- UserIdCause of up #1' in told
    assert told[-1] == "goes without: sei-artifacts.json: an array where an object is due"
    data = site.read("preview", "app", "1", "--explain")
    assert data["fields"]["project_name"] == {"value": "Shop", "source": "rule 1 (app)"}
    result = site.run("preview", "app", "1")
    assert json.loads(result.stdout)["user_id"] == "ada"
    assert "goes without: sei-artifacts.json" in result.stderr
    assert site.sei.received == []
