"""What each field is made of: made-up builds, one fact each. Recorded ones are in test_recorded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.config.rules import Rule
from poller.core.escape import clip
from poller.jenkins.build import Action, ArchivedFile, Build, Change, ChangeSet
from poller.jenkins.stage import Stage, StageTree, Step
from poller.jenkins.stages.wfapi import FlowNode, NodeError, WfapiRun, WfapiStage, stage_tree
from poller.mapping.map_build import MappedRun
from poller.mapping.names import JobInfo, SeiInstance
from poller.mapping.payload import encode
from poller.mapping.redaction import Redactor
from poller.mapping.rules import Skip
from poller.mapping.scm import without_credentials
from poller.mapping.size_limit import limit_size
from tests.support.git_build import IDENTITY, JOB, SHA, build, causes, git, map_one

BRANCH = JobInfo("team/mb/feature%2Fone", 0, 0, multibranch=True)


def run_of(
    one: Build, job: JobInfo = JOB, tree: StageTree | None = None, **changes: Any
) -> dict[str, Any]:
    """The payload, as SEI would read it."""
    done = map_one(one, tree, job=job, **changes)
    assert isinstance(done, MappedRun)
    payload: dict[str, Any] = json.loads(encode(done.run))
    return payload


def test_names_of_a_plain_job() -> None:
    """The last segment is the pipeline."""
    run = run_of(build())
    assert (
        run["pipeline"],
        run["job_full_name"],
        run["qualified_name"],
    ) == ("app", "team/app", "team/app")
    assert "branch_name" not in run


def test_names_of_a_branch() -> None:
    """The project is the pipeline; the branch is decoded."""
    run = run_of(build(), BRANCH)
    assert run["pipeline"] == "mb"
    assert run["job_full_name"] == "team/mb/feature%2Fone"
    assert run["qualified_name"] == "team/mb/feature/one"
    assert run["branch_name"] == "feature/one"


@pytest.mark.parametrize(
    ("jenkins", "sei"),
    [("SUCCESS", "SUCCESS"), ("FAILURE", "FAILURE"), ("UNSTABLE", "FAILURE"), ("ABORTED", "FAILURE"),
     ("NOT_BUILT", "FAILURE"), ("NEW_WORD", "FAILURE")],
)  # fmt: skip
def test_results(jenkins: str, sei: str) -> None:
    """Core's own, through the table; a word that is not in it is no success."""
    assert sei == run_of(build(result=jenkins))["result"]


def test_a_result_can_be_skipped() -> None:
    """With the reason."""
    one = map_one(build(result="ABORTED"), results={"ABORTED": "skip"})
    assert Skip("result ABORTED") == one


def test_jenkins_own_words_can_be_passed_on() -> None:
    """Where the config says so."""
    assert (
        run_of(build(result="UNSTABLE"), results={"UNSTABLE": "UNSTABLE"})["result"] == "UNSTABLE"
    )


@pytest.mark.parametrize("url", ["http://localhost:8080/job/team/job/app/7/", "", None])
def test_addresses_begin_with_instance_url_where_it_is_set(url: str | None) -> None:
    """Whatever Jenkins itself believes to be called; of artifacts, too."""
    public = SeiInstance(
        "main", IDENTITY.instance_guid, "https://ci.example.com/x/", public_url=True
    )
    rule = Rule(match="**", archived_files=("*.jar",))
    one = build(url=url, artifacts=[ArchivedFile("a.jar", "a.jar")])
    run = run_of(one, instance=public, rules=(rule,))
    assert run["web_url"] == "https://ci.example.com/x/job/team/job/app/7/"
    assert run["artifacts"][0]["location"] == run["web_url"] + "artifact/a.jar"


def test_times_and_numbers() -> None:
    """Milliseconds; a duration is never negative; numbers of a job created anew go on."""
    run = run_of(build(duration=-3), JobInfo("app", 1, 40, multibranch=False))
    assert (run["start_time"], run["duration"], run["build_number"]) == (1_700_000_000_000, 0, 47)


@given(st.integers(0, 3), st.integers(1, 99), st.integers(1, 99))
def test_execution_ids_are_of_one_build_and_stay(generation: int, number: int, start: int) -> None:
    """Another generation, number or start is another run."""

    def ident(g: int, n: int, t: int) -> str:
        return str(
            run_of(build(number=n, timestamp=t), JobInfo("app", g, 0, multibranch=False))[
                "execution_id"
            ]
        )

    one = ident(generation, number, start)
    assert one == ident(generation, number, start)
    others = [
        (generation + 1, number, start),
        (generation, number + 1, start),
        (generation, number, start + 1),
    ]
    assert one not in [ident(*other) for other in others]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ci/job/app/7/", "https://ci/job/app/7/"),
        ("https://u:p@ci/job/app/7/", "https://ci/job/app/7/"),
        ("javascript:alert(1)", "https://ci.example.com/job/team/job/app/7/"),
        (None, "https://ci.example.com/job/team/job/app/7/"),
        ("http://[", "https://ci.example.com/job/team/job/app/7/"),
    ],
)
def test_web_url(url: str | None, expected: str) -> None:
    """Jenkins' own when it is a web address."""
    assert expected == run_of(build(url=url))["web_url"]


@pytest.mark.parametrize(
    ("cause", "chain", "user"),
    [
        ({"_class": "hudson.model.Cause$UserIdCause", "userId": "ada"}, ("ada", "UserIdCause"), "ada"),
        ({"_class": "hudson.triggers.SCMTrigger$SCMTriggerCause"}, ("SCMTrigger", "SCMTriggerCause"), "SCMTrigger"),
        ({"_class": "com.cloudbees.jenkins.GitHubPushCause"}, ("SCMTrigger", "GitHubPushCause"), "SCMTrigger"),
        ({"_class": "jenkins.branch.BranchIndexingCause"}, ("SCMTrigger", "BranchIndexingCause"), "SCMTrigger"),
        ({"_class": "hudson.triggers.TimerTrigger$TimerTriggerCause"}, ("unknown", "TimerTriggerCause"), "SYSTEM"),
        ({"_class": "hudson.model.Cause$UpstreamCause", "upstreamProject": "up", "upstreamBuild": 3}, ("up", "UpstreamCause"), "SYSTEM"),
        ({"_class": "hudson.model.Cause$RemoteCause", "addr": "10.0.0.1"}, ("10.0.0.1", "RemoteCause"), "SYSTEM"),
        ({"userId": 7}, ("unknown", "unknown"), "SYSTEM"),
    ],
)  # fmt: skip
def test_causes(cause: dict[str, Any], chain: tuple[str, str], user: str | None) -> None:
    """The chain's link, and who started the build."""
    run = run_of(build(actions=causes(cause)))
    (link,) = run["trigger_chain"]
    assert chain == (link["id"], link["type"])
    assert user == run.get("user_id")


def test_causes_of_an_abort_are_none_of_a_start() -> None:
    """Only CauseAction says why a build started."""
    abort = Action(
        "jenkins.model.InterruptedBuildAction", causes=[{"_class": "x.UserInterruption"}]
    )
    assert run_of(build(actions=[abort]))["trigger_chain"] == []


def test_parameters_that_are_sent() -> None:
    """Of several actions, with Jenkins' own values and simple class names."""
    parameters = [
        {"_class": "hudson.model.StringParameterValue", "name": "ENV", "value": "prod"},
        {"_class": "hudson.model.BooleanParameterValue", "name": "DRY", "value": False},
    ]
    actions = [Action("hudson.model.ParametersAction", parameters=[p]) for p in parameters]
    assert run_of(build(actions=actions))["job_run_params"] == [
        {"type": "StringParameterValue", "name": "ENV", "value": "prod"},
        {"type": "BooleanParameterValue", "name": "DRY", "value": False},
    ]


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        ("hudson.model.PasswordParameterValue", "X", "pw"),
        ("com.cloudbees.plugins.credentials.CredentialsParameterValue", "X", "id"),
        ("hudson.model.FileParameterValue", "X", "f"),
        ("hudson.model.StringParameterValue", "db_Pass-Word", "pw"),
        ("hudson.model.StringParameterValue", "API_KEY", "k"),
        ("hudson.model.StringParameterValue", "GH_TOKEN", "t"),
        ("hudson.model.StringParameterValue", "NULL", None),
        ("hudson.model.RunParameterValue", "RUN", None),
        ("hudson.model.StringParameterValue", 7, "x"),
    ],
)
def test_parameters_that_are_not_sent(cls: object, name: object, value: object) -> None:
    """Secrets by class or name, files, and what has no value."""
    action = Action(
        "hudson.model.ParametersAction", parameters=[{"_class": cls, "name": name, "value": value}]
    )
    assert run_of(build(actions=[action]))["job_run_params"] == []


def test_commits_come_from_the_change_sets_first() -> None:
    """In order, no doubles; ids that are no SHA-1 left out."""
    sets = [
        ChangeSet(
            items=[
                Change("b" * 40),
                Change("c" * 40),
                Change("b" * 40),
                Change("r17"),
                Change(None),
            ]
        )
    ]
    run = run_of(build(changeSets=sets, actions=[git("https://git/app.git")]))
    assert run["scm_commit_ids"] == ["b" * 40, "c" * 40]


def test_commits_come_from_the_parameter_next() -> None:
    """Split on comma, semicolon and space."""
    value = f"{'d' * 40},{'e' * 40}; {'f' * 40} nonsense"
    parameter = {"_class": "x.StringParameterValue", "name": "SEI_SCM_COMMIT_IDS", "value": value}
    run = run_of(build(actions=[Action("x.ParametersAction", parameters=[parameter])]))
    assert run["scm_commit_ids"] == ["d" * 40, "e" * 40, "f" * 40]


@pytest.mark.parametrize(
    ("branch", "expected"),
    [("refs/remotes/origin/main", "main"), ("origin/main", "main"), ("main", "main"),
     ("refs/tags/v1.0", "v1.0"), ("refs/heads/x/y", "x/y")],
)  # fmt: skip
def test_repository_branch_and_last_commit(branch: str, expected: str) -> None:
    """Of the primary checkout: not the one of an ignored library."""
    actions = [git("https://git/lib.git", "origin/lib"), git("https://u:t@git/app.git", branch)]
    run = run_of(build(actions=actions), ignore_repos=("*/lib.git",))
    assert ("https://git/app.git", expected, [SHA]) == (
        run["repo_url"],
        run["branch_name"],
        run["scm_commit_ids"],
    )


def test_addresses_without_credentials() -> None:
    """The user of an SSH address is no secret."""
    assert without_credentials("https://u:p@h/x") == "https://h/x"
    assert without_credentials("git@h:x.git") == "git@h:x.git"
    assert without_credentials("ssh://git@h/x") == "ssh://git@h/x"


@pytest.mark.parametrize(
    ("status", "result", "state"),
    [("SUCCESS", "SUCCESS", "FINISHED"), ("FAILED", "FAILURE", "FINISHED"), ("UNSTABLE", "UNSTABLE", "FINISHED"),
     ("ABORTED", "ABORTED", "FINISHED"), ("NOT_EXECUTED", "NOT_BUILT", "SKIPPED"),
     ("IN_PROGRESS", "UNKNOWN", "RUNNING"), ("PAUSED_PENDING_INPUT", "UNKNOWN", "PAUSED"),
     ("QUEUED", "UNKNOWN", "QUEUED"), (None, "UNKNOWN", "UNKNOWN")],
)  # fmt: skip
def test_stage_states(status: str | None, result: str, state: str) -> None:
    """wfapi's words in SEI's; a new word is passed on."""
    (stage,) = run_of(build(), tree=stage_tree(WfapiRun("7", [WfapiStage("6", "Build", status)])))[
        "job_run"
    ]["stages"]
    assert (result, state) == (stage["result"], stage["state"])


def test_a_stage_and_its_steps() -> None:
    """Error message and step arguments are descriptions, without what looks like a secret."""
    step = FlowNode(
        "7", "Shell Script", "FAILED", "curl --token abc https://u:pw@h/", 1_700_000_000_000, None
    )
    stage = WfapiStage(
        "6",
        "Build",
        "FAILED",
        1_700_000_000_123,
        -5,
        NodeError("token=abc123"),
        [step, FlowNode(None)],
    )
    tree = stage_tree(WfapiRun("7", [stage, WfapiStage(None, "no id")]))
    run = run_of(build(), tree=tree)
    assert run["job_run"]["stages"] == [
        {
            "id": "6", "startTime": "2023-11-14T22:13:20.123Z", "displayName": "Build",
            "displayDescription": "token=****", "durationInMillis": 0,
            "result": "FAILURE", "state": "FINISHED",
            "steps": [
                {
                    "id": "7", "startTime": "2023-11-14T22:13:20.000Z", "displayName": "Shell Script",
                    "displayDescription": "curl --token **** https://****@h/", "durationInMillis": 0,
                    "result": "FAILURE", "state": "FINISHED",
                }
            ],
        }
    ]  # fmt: skip


def test_no_stage_tree_is_null() -> None:
    """And a tree without stages is one."""
    assert run_of(build())["job_run"] is None
    assert run_of(build(), tree=StageTree())["job_run"] == {"stages": []}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["_class", "name", "value", "userId", "SHA1", "branch"]), inner, max_size=4
    ),
    max_leaves=10,
)  # fmt: skip
classes = st.sampled_from(
    [
        "hudson.model.CauseAction",
        "hudson.model.ParametersAction",
        "hudson.plugins.git.util.BuildData",
        "",
    ]
)


@given(classes, anything, anything, anything, anything)
def test_whatever_a_plugin_exports_maps(cls: str, a: Any, b: Any, c: Any, d: Any) -> None:
    """Never an error, never a parameter without a value."""
    run = run_of(build(actions=[Action(cls, a, b, c, d)]))
    assert all(param["value"] is not None for param in run["job_run_params"])


@given(st.text(st.characters(), max_size=80), st.integers(2, 40))
def test_cleaned_text_is_text(text: str, limit: int) -> None:
    """Valid Unicode, no control characters, no longer than agreed."""
    cleaned = clip(text, limit)
    cleaned.encode()
    assert len(cleaned) <= limit
    assert not any(ord(c) < 32 and c not in "\t\n" for c in cleaned)


def test_a_large_payload_leaves_out_steps_then_stages() -> None:
    """It is never refused for its size, and says what is missing."""
    steps = [Step(str(n), "Shell Script", description="x" * 1000) for n in range(90)]

    def sized(stages: int, limit: int) -> tuple[bytes, str | None]:
        tree = StageTree([Stage(str(n), "é" * 200, steps=steps) for n in range(stages)])
        done = map_one(build(), tree)
        assert isinstance(done, MappedRun)
        return limit_size(done.run, limit)

    assert sized(1, 480_000)[1] is None
    body, left_out = sized(10, 20_000)
    assert left_out == "steps"
    assert len(body.decode()) <= 20_000
    body, left_out = sized(60, 10_000)
    assert left_out == "steps, stages"
    assert msgspec.json.decode(body)["job_run"] == {"stages": []}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("git clone https://bob:s3cret@h/x", "git clone https://****@h/x"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ****"),
        ("-u x --password hunter2 -v", "-u x --password **** -v"),
        ("DB_PASSWORD=hunter2 make", "DB_PASSWORD=**** make"),
        ('{"api_key": "k-1"}', '{"api_key": "****"}'),
        ("key AKIAIOSFODNN7EXAMPLE", "key ****"),
        ("ghp_" + "a" * 36, "****"),
        ("xoxb-1234567890-abc", "****"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b", "a **** b"),
        ("echo building; make test", "echo building; make test"),
    ],
)
def test_redaction(text: str, expected: str) -> None:
    """What leaks in real step texts, and what is left alone."""
    assert expected == Redactor().text(text)


def test_redaction_of_ones_own() -> None:
    """Names are globs, patterns regular expressions."""
    redactor = Redactor(["*session*"], ["corp-[0-9a-f]{4}"])
    assert redactor.is_secret_name("MY_SESSION_ID")
    assert not redactor.is_secret_name("ENV")
    assert redactor.text("x corp-beef y") == "x **** y"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [((), ["Deploy", "a", "--token ****"]), (("^a$",), ["Deploy", "****", "--token ****"])],
)
def test_texts_of_stages_hide_secrets(patterns: tuple[str, ...], expected: list[str]) -> None:
    """Names, too; by patterns of the user that hold for a whole text, too."""
    stages = [Stage("1", "Deploy"), Stage("2", "a"), Stage("3", "--token abc")]
    run = run_of(build(), tree=StageTree(stages), redactor=Redactor((), patterns))
    assert expected == [stage["displayName"] for stage in run["job_run"]["stages"]]


@pytest.mark.parametrize(
    ("millis", "expected"),
    [(1_700_000_000_123, "2023-11-14T22:13:20.123Z"), (1, "1970-01-01T00:00:00.001Z"),
     (1_709_208_059_999, "2024-02-29T12:00:59.999Z"), (0, None), (-5, None), (None, None),
     (10**18, None)],
)  # fmt: skip
def test_times_of_stages(millis: int | None, expected: str | None) -> None:
    """ISO 8601 in UTC; left out where there is none that a calendar has."""
    tree = StageTree([Stage("1", "a", start=millis)])
    assert expected == run_of(build(), tree=tree)["job_run"]["stages"][0].get("startTime")
