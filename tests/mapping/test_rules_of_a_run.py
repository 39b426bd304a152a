"""What a rule makes of a run, and where each field is from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poller.actions.preview import Preview
from poller.cli.render_status import explain_json, explain_lines
from poller.config.rules import Rule, StageCondition
from poller.jenkins.build import Build
from poller.jenkins.stage import Stage, StageTree
from poller.mapping.evidence import UpstreamBuild
from poller.mapping.map_build import MappedRun
from poller.mapping.names import JobInfo
from poller.mapping.redaction import Redactor
from poller.mapping.rules import Facts, Skip, early_skip, rules_of
from poller.mapping.size_limit import limit_size
from tests.support.git_build import JOB, SHA, build, causes, git, map_one, policy

ROLLED_BACK = StageTree([Stage("6", "Rollback", "SUCCESS", "FINISHED")])
NO_TREE_FIELDS = ("module_name", "project_name", "themes", "cfr_status", "artifacts")


def mapped(*rules: Rule, one: Build | None = None, tree: StageTree | None = None) -> MappedRun:
    """The build with these rules."""
    done = map_one(one or build(), tree, rules=rules)
    assert isinstance(done, MappedRun)
    return done


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ({"project_name": "Payments"}, "project_name", "Payments"),
        ({"module_name": "api"}, "module_name", "api"),
        ({"themes": ("a", "a/b")}, "themes", ["a", "a/b"]),
        ({"pipeline": "deploy"}, "pipeline", "deploy"),
        ({"ci": False}, "ci", False),
        ({"cd": True}, "cd", True),
        ({"cfr_status": True}, "cfr_status", True),
        ({"cfr_status": False}, "cfr_status", False),
        ({"cfr_status": StageCondition(stage="Roll*", when="ran")}, "cfr_status", True),
        ({"cfr_status": StageCondition(stage="Roll*", when="failed")}, "cfr_status", False),
        ({"branch_name": "{branch|'trunk'}"}, "branch_name", "trunk"),
        ({"user_id": "release-bot"}, "user_id", "release-bot"),
        ({"repo_url": "https://u:t@git/{job}.git"}, "repo_url", "https://git/team/app.git"),
        ({"result": "SUCCESS"}, "result", "SUCCESS"),
        ({"project_name": "token=abc"}, "project_name", "token=****"),
        ({"job_run_params": {"TEAM": "a", "API_TOKEN": "x"}}, "job_run_params", [{"type": "StringParameterValue", "name": "TEAM", "value": "a"}]),
        ({"results": {"UNSTABLE": "SUCCESS"}}, "result", "SUCCESS"),
        ({"results": {"SUCCESS": "skip"}}, "result", "FAILURE"),
    ],
)  # fmt: skip
def test_of_the_first_rule_that_matches(keys: dict[str, Any], field: str, value: Any) -> None:
    """Its keys, and what says so; of later rules nothing."""
    rules = (
        Rule(match="other/**", project_name="no", themes=("no",)),
        Rule(match="team/**", **keys),
        Rule(match="**", project_name="late", module_name="late", results={"UNSTABLE": "late"}),
    )
    done = mapped(*rules, one=build(result="UNSTABLE"), tree=ROLLED_BACK)
    assert value == json.loads(limit_size(done.run, 480_000)[0])[field]
    assert done.rule == "rule 2 (team/**)"
    if value != "FAILURE":
        assert "rule 2 (team/**)" in done.sources[field]


def test_without_a_rule() -> None:
    """Nothing that only a rule gives is there."""
    done = mapped()
    payload = json.loads(limit_size(done.run, 480_000)[0])
    assert done.rule == ""
    assert not payload.keys() & set(NO_TREE_FIELDS)
    assert done.sources["project_name"] == "no rule matches"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule(match="team/*", skip=True), "rule 1 (team/*)"),
        (Rule(match="team/*", results={"SUCCESS": "skip"}), "result SUCCESS, results of rule 1 (team/*)"),
        (Rule(match="other", skip=True), None),
    ],
)  # fmt: skip
def test_skipped(rule: Rule, reason: str | None) -> None:
    """With the rule as the reason; known from the build's own answer alone."""
    done = map_one(build(), rules=(rule,))
    facts = Facts(JOB.full_name, build(), Redactor())
    early = early_skip(rules_of((rule,), JOB.full_name), facts, policy().results)
    assert early == (None if reason is None else Skip(reason))
    assert isinstance(done, MappedRun) if reason is None else done == early


def test_the_repository_that_a_rule_names() -> None:
    """With its branch, though another was checked out first."""
    one = build(actions=[git("https://git/lib", "origin/lib"), git("https://git/app", "origin/x")])
    done = mapped(Rule(match="**", primary_repo="*/app"), one=one)
    assert (done.run.repo_url, done.run.branch_name) == ("https://git/app", "x")
    assert done.sources["repo_url"] == "the checkout that primary_repo '*/app' names"


def test_a_maven_module() -> None:
    """Its build is one of the project's pipeline."""
    one = build(cls="hudson.maven.MavenBuild")
    job = JobInfo("team/shop/com.acme:api", 0, 0, multibranch=False)
    done = map_one(one, job=job)
    assert isinstance(done, MappedRun)
    assert (done.run.pipeline, done.run.module_name) == ("shop", "com.acme:api")


def test_every_field_has_a_source() -> None:
    """Of all that a run can have."""
    done = mapped()
    assert set(done.run.__struct_fields__) == set(done.sources)


def test_explained() -> None:
    """A line a field, and the same as data."""
    upstream = (UpstreamBuild("up", 3, ({"_class": "x$UserIdCause", "userId": "ada"},)),
                UpstreamBuild("top", 1, (), "HTTP 404"))  # fmt: skip
    one = build(
        actions=[
            *causes({"_class": "x$UpstreamCause", "upstreamProject": "up"}),
            git("https://g/a"),
        ]
    )
    rule = Rule(match="team/**", project_name="Team", themes=("x" * 200,))
    done = map_one(one, ROLLED_BACK, upstream=upstream, rules=(rule,))
    assert isinstance(done, MappedRun)
    body, _ = limit_size(done.run, 480_000)
    preview = Preview("main", done, body, None, ("sei-artifacts.json: not JSON",))
    told = explain_json(preview)
    assert told["fields"]["user_id"] == {"value": "ada", "source": "UserIdCause of up #3"}
    assert told["fields"]["artifacts"] == {"source": "nothing names one"}
    lines = explain_lines(preview)
    assert lines[0] == "rule 1 (team/**)"
    assert 'project_name: "Team"  <- rule 1 (team/**)' in lines
    assert "job_run: 1 stages, 0 steps  <- wfapi's stage tree" in lines
    assert f'scm_commit_ids: ["{SHA}"]  <- what was checked out of https://g/a' in lines
    assert "artifacts: (left out)  <- nothing names one" in lines
    chain = "the build's causes, then those of up #3; not those of top #1 (HTTP 404)"
    assert any(line.endswith(f"<- {chain}") for line in lines)
    assert lines[-1] == "goes without: sei-artifacts.json: not JSON"
    assert all(len(line) < 200 for line in lines)


def test_explained_when_cut_or_skipped() -> None:
    """What is missing is said."""
    done = mapped()
    body, _ = limit_size(done.run, 480_000)
    cut = explain_lines(Preview("main", done, body, "steps"))
    assert cut[-1] == "left out, as the payload is too large: steps"
    assert explain_lines(Preview("main", Skip("rule 1 (x)"))) == ["skipped: rule 1 (x)"]
    assert explain_json(Preview("main", Skip("rule 1 (x)"))) == {
        "controller": "main",
        "skip": "rule 1 (x)",
    }
