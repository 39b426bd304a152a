"""Parameters of every kind, as Jenkins' core and the usual plugins export them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from poller.jenkins.build import Action, Build
from poller.mapping.map_build import MappedRun
from poller.mapping.params import counts_of_tests, job_run_params
from poller.mapping.payload import Param
from poller.mapping.redaction import Redactor
from tests.support.git_build import IDENTITY, build, map_one
from tests.support.replay import RECORDINGS

CORE = "hudson.model."


def params(*parameters: Any) -> list[tuple[str, str, Any]]:
    """What is sent of them."""
    build = Build(1, actions=[Action(f"{CORE}ParametersAction", parameters=list(parameters))])
    return [(p.type, p.name, p.value) for p in job_run_params(build, Redactor())]


@pytest.mark.parametrize(
    ("cls", "fields", "expected"),
    [
        (f"{CORE}StringParameterValue", {"value": "a"}, "a"),
        (f"{CORE}StringParameterValue", {"value": ""}, ""),
        (f"{CORE}TextParameterValue", {"value": "a\r\nb\x00c"}, "a\nbc"),
        (f"{CORE}BooleanParameterValue", {"value": False}, False),
        (f"{CORE}RunParameterValue", {"jobName": "team/up", "number": "17"}, "team/up#17"),
        ("hudson.scm.listtagsparameter.ListSubversionTagsParameterValue", {"tag": "tags/1.0", "tagsDir": "x"}, "tags/1.0"),
        ("com.cwctravel.hudson.plugins.extended_choice_parameter.ExtendedChoiceParameterValue", {"value": "a,b"}, "a,b"),
        ("org.biouno.unochoice.ChoiceParameterValue", {"value": ["a", "b"]}, "a,b"),
        ("net.uaznia.lukanus.hudson.plugins.gitparameter.GitParameterValue", {"value": "origin/main"}, "origin/main"),
        ("hudson.plugins.validating_string_parameter.ValidatingStringParameterValue", {"value": "v1"}, "v1"),
        ("org.jvnet.jenkins.plugins.nodelabelparameter.NodeParameterValue", {"label": "agent-1"}, "agent-1"),
        ("org.jvnet.jenkins.plugins.nodelabelparameter.LabelParameterValue", {"label": "linux && x64"}, "linux && x64"),
        ("x.Outer$InnerParameterValue", {"value": 17}, 17),
        ("x.NumberParameterValue", {"value": 1.5}, 1.5),
        ("x.NumberParameterValue", {"value": 10**30}, str(10**30)),
        ("x.ListParameterValue", {"value": [1, True, "x"]}, "1,true,x"),
    ],
)  # fmt: skip
def test_sent(cls: str, fields: dict[str, Any], expected: Any) -> None:
    """With the simple name of the class, and the value or what stands for it."""
    kind = cls.rpartition(".")[2].rpartition("$")[2]
    assert [(kind, "P", expected)] == params({"_class": cls, "name": "P", **fields})


@pytest.mark.parametrize(
    ("cls", "name", "fields"),
    [
        (f"{CORE}PasswordParameterValue", "P", {}),
        (f"{CORE}PasswordParameterValue", "P", {"value": "pw"}),
        ("com.michelin.cio.hudson.plugins.passwordparam.PasswordParameterValue", "P", {"value": "pw"}),
        ("com.synopsys.arc.jenkinsci.plugins.NonStoredPasswordParameterValue", "P", {"value": "pw"}),
        ("com.cloudbees.plugins.credentials.CredentialsParameterValue", "P", {"value": "id"}),
        (f"{CORE}FileParameterValue", "P", {"originalFileName": "f"}),
        ("io.jenkins.plugins.file_parameters.Base64FileParameterValue", "P", {"value": "Zg=="}),
        ("io.jenkins.plugins.file_parameters.StashedFileParameterValue", "P", {"value": "f"}),
        ("com.wangyin.parameter.WHideParameterValue", "P", {"value": "h"}),
        ("x.HiddenParameterValue", "P", {"value": "h"}),
        ("x.MaskedParameterValue", "P", {"value": "h"}),
        ("x.SecretTextParameterValue", "P", {"value": "h"}),
        (f"{CORE}StringParameterValue", "db_Pass-Word", {"value": "pw"}),
        (f"{CORE}StringParameterValue", "API_KEY", {"value": "k"}),
        (f"{CORE}StringParameterValue", "P", {"value": None}),
        (f"{CORE}StringParameterValue", "P", {}),
        ("x.ObjectParameterValue", "P", {"value": {"plain": "who knows"}}),
        ("x.ListParameterValue", "P", {"value": []}),
        ("x.ListParameterValue", "P", {"value": [{"a": 1}]}),
        ("x.ListParameterValue", "P", {"value": ["a", ["b"]]}),
        ("x.ListParameterValue", "P", {"value": ["a", None]}),
        ("x.NumberParameterValue", "P", {"value": float("inf")}),
        (f"{CORE}RunParameterValue", "P", {"jobName": None, "number": "1"}),
        (f"{CORE}StringParameterValue", "", {"value": "x"}),
        (f"{CORE}StringParameterValue", 7, {"value": "x"}),
    ],
)  # fmt: skip
def test_not_sent(cls: Any, name: Any, fields: dict[str, Any]) -> None:
    """Secrets by class and by name, files, objects, and what has no value."""
    assert params({"_class": cls, "name": name, **fields}) == []


def test_secrets_by_their_look() -> None:
    """In a parameter of a harmless name; in a list, too."""
    token = "ghp_" + "a" * 36
    cls = f"{CORE}StringParameterValue"
    assert params(
        {"_class": cls, "name": "URL", "value": "https://u:pw@h/x"},
        {"_class": cls, "name": "L", "value": ["a", token]},
    ) == [("StringParameterValue", "URL", "https://****@h/x"), ("StringParameterValue", "L", "a,****")]  # fmt: skip


def test_a_name_is_sent_once() -> None:
    """The first counts, over several actions."""
    one = {"_class": "x.StringParameterValue", "name": "A", "value": "1"}
    cls = f"{CORE}ParametersAction"
    actions: list[Action | None] = [
        Action(cls, parameters=[one]),
        Action(cls, parameters=[{**one, "value": "2"}, "no"]),
    ]
    found = job_run_params(Build(1, actions=actions), Redactor())
    assert [Param("StringParameterValue", "A", "1")] == found


@pytest.mark.parametrize("cls", [None, ""])
def test_without_a_class(cls: str | None) -> None:
    """As Jenkins 1.x exports it: a text."""
    assert params({"_class": cls, "name": "P", "value": "x"}) == [
        ("StringParameterValue", "P", "x")
    ]
    assert params({"name": "P", "value": "x"}) == [("StringParameterValue", "P", "x")]


def test_other_actions_have_lists_of_that_name() -> None:
    """None of theirs is a parameter of the build."""
    plan = Action("com.example.DeployPlanAction", parameters=[{"name": "plan", "value": "x"}])
    assert job_run_params(Build(1, actions=[plan]), Redactor()) == []


def test_recorded_parameters() -> None:
    """A real build with one of each kind of core's."""
    answer = json.loads((RECORDINGS / "fs-params/b1_api.json").read_text("utf-8"))
    recorded = [p for a in answer["actions"] for p in a.get("parameters", ())]
    found = {name: (kind, value) for kind, name, value in params(*recorded)}
    assert found["RUNP"] == ("RunParameterValue", "fs-success#1")
    assert found["FLAG"] == ("BooleanParameterValue", False)
    assert found["TXT"] == ("TextParameterValue", "a\nb\n\nc")
    assert "SECRET" not in found


def test_results_of_tests() -> None:
    """Where the config asks for them; the largest counts, as a sum stands beside its parts."""
    counts = [
        Action("hudson.tasks.junit.TestResultAction", totalCount=7, failCount=1, skipCount=2),
        Action("hudson.maven.SurefireAggregatedReport", totalCount=12, failCount=3, skipCount=2),
        Action("x.Odd", totalCount="99", failCount=None, skipCount=True),
    ]
    sent = {"TEST_TOTAL": "12", "TEST_FAILED": "3", "TEST_SKIPPED": "2"}
    assert counts_of_tests(Build(1, actions=[*counts])) == sent
    assert counts_of_tests(Build(1, actions=[None, counts[2]])) == {}
    for instance, expected in ((IDENTITY, {}), (replace(IDENTITY, test_counts=True), sent)):
        done = map_one(build(actions=[*counts]), instance=instance)
        assert isinstance(done, MappedRun)
        params = done.run.job_run_params
        assert {param.name: param.value for param in params or ()} == expected
