"""Why a build started: the chain upwards, and who stands at its beginning."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from poller.config.servers import DEFAULT_CAUSES, SeiConfig
from poller.jenkins.build import Action, Build
from poller.mapping.causes import MOST, cause_chain, kind_of, parents, trigger_chain, user_id
from poller.mapping.evidence import UpstreamBuild
from poller.mapping.payload import Trigger

USER = {"_class": "hudson.model.Cause$UserIdCause", "userId": "ada"}
NOBODY = {"_class": "hudson.model.Cause$UserIdCause", "userId": None}
TIMER = {"_class": "hudson.triggers.TimerTrigger$TimerTriggerCause"}
PUSH = {"_class": "com.cloudbees.jenkins.GitHubPushCause"}
REPLAY = {"_class": "org.jenkinsci.plugins.workflow.cps.replay.ReplayCause"}


def up(job: str, number: int = 1, cls: str = "hudson.model.Cause$UpstreamCause") -> dict[str, Any]:
    """An upstream cause, as Jenkins exports it: nothing nested."""
    return {"_class": cls, "upstreamProject": job, "upstreamBuild": number}


def build(*own: dict[str, Any]) -> Build:
    """A build with these causes."""
    return Build(7, 1_000, actions=[Action("hudson.model.CauseAction", causes=list(own))])


def shown(chain: Any) -> Any:
    """A chain as nested tuples; of an upstream build with its number."""
    return [
        (one.id, one.type, *(() if one.direct_parents is UNSET else (one.job_run_number, shown(one.direct_parents))))
        for one in chain
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "above", "chain", "user"),
    [
        ([USER], [], [("ada", "UserIdCause")], "ada"),
        ([USER, REPLAY], [], [("ada", "UserIdCause"), ("unknown", "ReplayCause")], "ada"),
        ([{**REPLAY, "userId": "bob"}], [], [("bob", "ReplayCause")], "bob"),
        ([{"_class": "hudson.cli.BuildCommand$CLICause", "userId": "ann"}], [], [("ann", "CLICause")], "ann"),
        ([up("a")], [], [("a", "UpstreamCause", "1", [])], "SYSTEM"),
        ([up("a")], [("a", [USER])], [("a", "UpstreamCause", "1", [("ada", "UserIdCause")])], "ada"),
        (
            [up("b")],
            [("b", [up("a")]), ("a", [TIMER])],
            [("b", "UpstreamCause", "1", [("a", "UpstreamCause", "1", [("unknown", "TimerTriggerCause")])])],
            "SYSTEM",
        ),
        ([up("b")], [("b", [PUSH])], [("b", "UpstreamCause", "1", [("SCMTrigger", "GitHubPushCause")])], "SCMTrigger"),
        ([TIMER, up("b")], [("b", [USER])], [("unknown", "TimerTriggerCause"), ("b", "UpstreamCause", "1", [("ada", "UserIdCause")])], "ada"),
        ([NOBODY], [], [("unknown", "UserIdCause")], "SYSTEM"),
        ([up("b", cls="org.jenkinsci.plugins.workflow.support.steps.build.BuildUpstreamCause")], [], [("b", "UpstreamCause", "1", [])], "SYSTEM"),
        ([up("b", cls="com.sonyericsson.rebuild.RebuildCause")], [], [("b", "RebuildCause")], "SYSTEM"),
        ([{"upstreamProject": "b", "upstreamBuild": 1}], [], [("b", "UpstreamCause", "1", [])], "SYSTEM"),
        ([up("b"), up("c")], [("b", [up("a")]), ("c", [up("a")]), ("a", [USER])],
         [("b", "UpstreamCause", "1", [("a", "UpstreamCause", "1", [("ada", "UserIdCause")])]), ("c", "UpstreamCause", "1", [])], "ada"),
        ([up("b"), up("b")], [("b", [up("b")])], [("b", "UpstreamCause", "1", [])], "SYSTEM"),
    ],
)  # fmt: skip
def test_chain_and_user(
    own: list[dict[str, Any]],
    above: list[tuple[str, list[dict[str, Any]]]],
    chain: list[Any],
    user: str,
) -> None:
    """The build's own causes, with those above nested; no build twice. The first user along it,
    else the first trigger."""
    upstream = [UpstreamBuild(job, 1, tuple(found)) for job, found in above]
    assert chain == shown(trigger_chain(build(*own), upstream, DEFAULT_CAUSES))
    assert user == user_id(cause_chain(build(*own), upstream), DEFAULT_CAUSES)[0]


def test_the_number_is_the_one_that_was_sent() -> None:
    """Of a job that was created anew, another than Jenkins'."""
    upstream = [UpstreamBuild("a", 1, (), build_number=41)]
    (link,) = trigger_chain(build(up("a")), upstream, DEFAULT_CAUSES)
    assert link == Trigger("a", "UpstreamCause", "41", [])


def test_a_chain_is_ten_deep() -> None:
    """Whatever is above that."""
    upstream = [UpstreamBuild(f"j{n}", 1, (up(f"j{n + 1}"),)) for n in range(20)]
    (link,), depth = trigger_chain(build(up("j0")), upstream, DEFAULT_CAUSES), 1
    while link.direct_parents:
        (link,), depth = link.direct_parents, depth + 1
    assert depth == 10


def test_where_the_user_was_found() -> None:
    """Of an upstream build, with its name."""
    links = cause_chain(build(up("a", 3)), [UpstreamBuild("a", 3, (USER,))])
    assert user_id(links, DEFAULT_CAUSES) == ("ada", "UserIdCause of a #3")


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (up("a", 3), [("a", 3)]),
        (up("mb/feature%2Fone", 1), [("mb/feature%2Fone", 1)]),
        (up("a", 0), []),
        (up("", 1), []),
        ({**up("a"), "upstreamBuild": "3"}, []),
        ({**up("a"), "upstreamBuild": True}, []),
        ({**up("a"), "upstreamProject": None}, []),
        (up("a", 3, "com.sonyericsson.rebuild.RebuildCause"), []),
        (USER, []),
    ],
)
def test_parents(cause: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    """The builds that a cause names; one that was done again is no trigger of it."""
    assert expected == parents([cause, cause])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("SCMTriggerCause", True), ("BranchIndexingCause", True), ("BranchEventCause", True),
     ("GitHubPushCause", True), ("BitBucketPushCause", True), ("GitLabWebHookCause", True),
     ("GerritCause", True), ("GitHubPRCause", True), ("BitbucketServerPullRequestCause", True),
     ("BitBucketPPRRepositoryCause", True), ("GenericCause", True), ("StashCause", True),
     ("CommitHookCause", True), ("GitHubBranchCause", True), ("GitHubPullRequestCommentCause", True),
     ("UserIdCause", False), ("UpstreamCause", False), ("RemoteCause", False),
     ("ReplayCause", False), ("TimerTriggerCause", False), ("unknown", False)],
)  # fmt: skip
def test_causes_of_a_repository(name: str, expected: bool) -> None:
    """Pushes, polls, scans and pull requests, by a word in the class name."""
    assert expected == (kind_of(name, DEFAULT_CAUSES) == "SCMTrigger")


def test_words_of_ones_own_come_first() -> None:
    """Before those of the program, which stay."""
    sei = SeiConfig.model_validate(
        {"environment": "EU", "api_key_env": "K", "causes": {"Nightly": "night", "Push": "push"}}
    )
    found = [
        kind_of(one, sei.causes) for one in ("NightlyTimerCause", "GitHubPushCause", "x.Timer")
    ]
    assert found == ["night", "push", "SYSTEM"]
    cause = {"_class": "x.NightlyTimerCause"}
    assert [Trigger("night", "NightlyTimerCause")] == trigger_chain(build(cause), [], sei.causes)


def test_a_chain_has_an_end() -> None:
    """However many causes there are."""
    many = build(*[up(f"job-{n}") for n in range(500)])
    assert len(cause_chain(many, [])) == MOST
    assert len(trigger_chain(many, [], DEFAULT_CAUSES)) == MOST
