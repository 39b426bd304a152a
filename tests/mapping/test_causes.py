"""Why a build started: the chain upwards, and who stands at its beginning."""

from __future__ import annotations

from typing import Any

import pytest

from poller.jenkins.build import Action, Build
from poller.mapping.causes import MOST, cause_chain, is_scm, parents, trigger_chain, user_id
from poller.mapping.evidence import UpstreamBuild

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


@pytest.mark.parametrize(
    ("own", "above", "chain", "user"),
    [
        ([USER], [], [("ada", "UserIdCause")], "ada"),
        ([USER, REPLAY], [], [("ada", "UserIdCause"), ("unknown", "ReplayCause")], "ada"),
        ([up("a")], [], [("a", "UpstreamCause")], None),
        ([up("a")], [("a", [USER])], [("a", "UpstreamCause"), ("ada", "UserIdCause")], "ada"),
        (
            [up("b")],
            [("b", [up("a")]), ("a", [TIMER])],
            [("b", "UpstreamCause"), ("a", "UpstreamCause"), ("unknown", "TimerTriggerCause")],
            "SYSTEM",
        ),
        ([up("b")], [("b", [PUSH])], [("b", "UpstreamCause"), ("SCMTrigger", "GitHubPushCause")], "SCMTrigger"),
        ([TIMER, up("b")], [("b", [USER])], [("unknown", "TimerTriggerCause"), ("b", "UpstreamCause"), ("ada", "UserIdCause")], "ada"),
        ([NOBODY], [], [("unknown", "UserIdCause")], None),
        ([up("b", cls="org.jenkinsci.plugins.workflow.support.steps.build.BuildUpstreamCause")], [], [("b", "BuildUpstreamCause")], None),
    ],
)  # fmt: skip
def test_chain_and_user(
    own: list[dict[str, Any]],
    above: list[tuple[str, list[dict[str, Any]]]],
    chain: list[tuple[str, str]],
    user: str | None,
) -> None:
    """The build's own causes, then those above; the first user along it, else the first trigger."""
    upstream = [UpstreamBuild(job, 1, tuple(found)) for job, found in above]
    links = cause_chain(build(*own), upstream)
    assert chain == [(link.id, link.type) for link in trigger_chain(links)]
    assert user == user_id(links)[0]


def test_where_the_user_was_found() -> None:
    """Of an upstream build, with its name."""
    links = cause_chain(build(up("a", 3)), [UpstreamBuild("a", 3, (USER,))])
    assert user_id(links) == ("ada", "UserIdCause of a #3")


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
     ("UserIdCause", False), ("UpstreamCause", False), ("RemoteCause", False)],
)  # fmt: skip
def test_causes_of_a_repository(name: str, expected: bool) -> None:
    """Pushes, polls, scans and pull requests of the usual plugins."""
    assert expected == is_scm(name)


def test_a_chain_has_an_end() -> None:
    """However many causes there are."""
    links = cause_chain(build(*[up(f"job-{n}") for n in range(500)]), [])
    assert len(links) == MOST
