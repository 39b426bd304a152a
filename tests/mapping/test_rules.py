"""Which rules count, and what they say together."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from poller.config.rules import Rule, When
from poller.jenkins.build import Action
from poller.mapping.redaction import Redactor
from poller.mapping.rules import NO_RULE, Facts, Skip, decide, early_skip, rules_of
from tests.support.git_build import build, causes

PARAMETERS = Action(
    "hudson.model.ParametersAction",
    parameters=[
        {"_class": "x.StringParameterValue", "name": "ENV", "value": "prod"},
        {"_class": "x.BooleanParameterValue", "name": "DRY", "value": False},
        {"_class": "x.StringParameterValue", "name": "API_TOKEN", "value": "abc"},
    ],
)
STARTED = causes({"_class": "hudson.triggers.TimerTrigger$TimerTriggerCause"})
BUILD = build(result="UNSTABLE", builtOn="linux-7", actions=[PARAMETERS, *STARTED])


def facts(job: str = "payments/api", **changes: Any) -> Facts:
    """Of one build."""
    return Facts(job, BUILD, Redactor(), **{"branch": "release/1.2", "user": "bot-x", **changes})


def of(*rules: Rule, job: str = "payments/api", **changes: Any) -> Any:
    """What they say of that build."""
    return decide(rules_of(rules, job), facts(job, **changes))


@pytest.mark.parametrize(
    ("job", "place"),
    [("payments/api", 2), ("payments/web", 1), ("shop/mb/main", 3), ("nightly", 0)],
)
def test_the_first_counts(job: str, place: int) -> None:
    """And is named with its place and glob."""
    found = of(*(Rule(match=glob) for glob in ("*/web", "payments/**", "shop/*/main")), job=job)
    assert place == found.place
    assert (found is NO_RULE) == (place == 0)
    if place == 2:
        assert found.name == "rule 2 (payments/**)"


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"branch": "release/*"}, True),
        ({"branch": "main"}, False),
        ({"branch": r"re:release/\d+\.\d+"}, True),
        ({"branch": r"re:release/\d+"}, False),
        ({"result": "UNSTABLE"}, True),
        ({"result": "FAIL*"}, False),
        ({"cause": "*Timer*"}, True),
        ({"cause": "UserIdCause"}, False),
        ({"user": "bot-*"}, True),
        ({"user": "ada"}, False),
        ({"agent": "linux*"}, True),
        ({"agent": "win*"}, False),
        ({"parameter": {"ENV": "prod"}}, True),
        ({"parameter": {"ENV": "prod", "DRY": "false"}}, True),
        ({"parameter": {"ENV": "prod", "DRY": "true"}}, False),
        ({"parameter": {"NONE": "**"}}, False),
        ({"parameter": {"API_TOKEN": "**"}}, False),
        ({"branch": "release/*", "result": "SUCCESS"}, False),
    ],
)
def test_conditions(when: dict[str, Any], holds: bool) -> None:
    """All of them have to hold."""
    assert holds == (of(Rule(match="**", when=When(**when))).place == 1)


@pytest.mark.parametrize(
    ("match", "when", "text", "expected"),
    [
        ("**", {}, "{job} of {branch}", "payments/api of release/1.2"),
        ("re:(?P<team>[^/]+)/.*", {}, "Team {team}", "Team payments"),
        ("**", {"branch": r"re:release/(?P<version>.+)"}, "v{version}", "v1.2"),
        ("**", {}, "{param.ENV}", "prod"),
        ("**", {}, "{param.DRY}", "false"),
        ("**", {}, "{param.NONE}", None),
        ("**", {}, "{param.NONE|param.ENV}", "prod"),
        ("**", {}, "{param.NONE|'none at all'}", "none at all"),
        ("**", {}, "{param.API_TOKEN|'secret'}", "secret"),
        ("re:(?P<a>x)?payments/.*", {}, "{a|job}", "payments/api"),
        ("**", {}, "{{job}}", "{job}"),
    ],
)
def test_places_in_texts(match: str, when: Any, text: str, expected: str | None) -> None:
    """Filled with the first that has a value; not said where none has."""
    rule = Rule(
        match=match,
        when=When(**when),
        project_name=text,
        themes=(text,),
        job_run_params={"X": text},
    )
    settings = of(rule).settings
    assert settings.project_name == expected
    assert settings.themes == (() if expected is None else (expected,))
    assert settings.job_run_params == ({} if expected is None else {"X": expected})


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ({"project_name": "{team}"}, "there is no {team}"),
        ({"themes": ("a{",)}, "a lone {"),
        ({"pipeline": "a}"}, "a lone }"),
        ({"user_id": "{}"}, "a name"),
        ({"user_id": "{job|no quotes}"}, "a name"),
        ({"job_run_params": {"X": "{nothing}"}}, "job_run_params.X"),
        ({"match": "re:("}, "not a regular expression of RE2"),
        ({"when": {"branch": "re:(?=x)"}}, "not a regular expression of RE2"),
        ({"when": {"label": "x"}}, "label"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], wrong: str) -> None:
    """When the config is read, not when a build comes."""
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({"match": "**", **keys})
    assert wrong in str(caught.value)


def test_continue_goes_on_for_what_is_not_said() -> None:
    """The first that says something counts for that."""
    rules = [
        Rule.model_validate({"match": "**", "continue": True, "project_name": "All", "ci": False}),
        Rule.model_validate({"match": "no/**", "continue": True, "user_id": "no"}),
        Rule.model_validate(
            {"match": "payments/**", "project_name": "P", "themes": ("t",), "ci": True}
        ),
        Rule(match="**", module_name="late"),
    ]
    found = of(*rules)
    assert (found.settings.project_name, found.settings.themes, found.settings.ci) == (
        "All",
        ("t",),
        False,
    )
    assert (found.settings.module_name, found.settings.user_id) == (None, None)
    assert found.name == "rule 1 (**), rule 3 (payments/**)"
    assert (found.source("ci"), found.source("themes")) == ("rule 1 (**)", "rule 3 (payments/**)")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([Rule(match="**", skip=True)], "rule 1 (**)"),
        ([Rule(match="**", skip="no PR builds")], "rule 1 (**): no PR builds"),
        ([Rule(match="**", when=When(result="UNSTABLE"), skip=True)], "rule 1 (**)"),
        ([Rule(match="**", when=When(result="FAILURE"), skip=True)], None),
        ([Rule(match="**", when=When(branch="*"), skip=True)], None),
        ([Rule(match="**", when=When(user="bot")), Rule(match="**", skip=True)], None),
        ([Rule(match="**", results={"UNSTABLE": "skip"})], "result UNSTABLE, results of rule 1 (**)"),
        ([], None),
    ],
)  # fmt: skip
def test_what_is_not_sent_is_known_early(rules: list[Rule], reason: str | None) -> None:
    """Where the build's own answer tells: nothing more is asked for it."""
    early = facts(branch=None, user=None)
    found = early_skip(rules_of(rules, "payments/api"), early, {"UNSTABLE": "FAILURE"})
    assert found == (None if reason is None else Skip(reason))


def test_the_examples_of_the_documentation() -> None:
    """Ten, and each is a rule."""
    text = Path("docs/rules.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 10
    for example in examples:
        for table in tomllib.loads(textwrap.dedent(example))["rules"]:
            table["themes"] = tuple(table.get("themes", ()))
            Rule.model_validate(table)
