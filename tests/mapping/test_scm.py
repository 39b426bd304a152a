"""Repository, branch and commits: which of several, and of which kinds of repository."""

from __future__ import annotations

import msgspec
import pytest

from poller.jenkins.build import Action, Build, Change, ChangeSet
from poller.mapping.extract import Extracted
from poller.mapping.scm import (
    BUILD_DATA,
    LIBRARIES_ACTION,
    Checkout,
    commits_of,
    foreign_commits,
    primary,
    without_credentials,
)

SHA, OTHER, THIRD = "a" * 40, "b" * 40, "C" * 40
LIBRARY, APP, INFRA = "https://git/lib.git", "https://git/app.git", "git@git:infra.git"


def data(*urls: str, branch: str = "origin/main", sha: str = SHA) -> Action:
    """A BuildData."""
    revision = {"SHA1": sha, "branch": [{"SHA1": sha, "name": branch}]}
    return Action(BUILD_DATA[0], remoteUrls=list(urls), lastBuiltRevision=revision)


@pytest.mark.parametrize(
    ("ignore", "wanted", "expected", "how"),
    [
        ((), None, LIBRARY, "the first of 3 checkouts"),
        (("*/lib.git",), None, APP, "the first of 2 checkouts"),
        (("*/lib.git", "*app*"), None, INFRA, "the only checkout"),
        (("*",), None, None, "no git checkout"),
        ((), "*infra.git", INFRA, "the checkout that primary_repo '*infra.git' names"),
        (("*infra*",), "*infra.git", LIBRARY, "the first of 2 checkouts"),
        ((), "*/none.git", LIBRARY, "the first of 3 checkouts"),
    ],
)
def test_the_primary_checkout(
    ignore: tuple[str, ...], wanted: str | None, expected: str | None, how: str
) -> None:
    """The one a rule names, else the first that is not ignored."""
    build = Build(1, actions=[None, Action(), data(LIBRARY), data(APP), data(INFRA)])
    found, source = primary(build, ignore, wanted)
    assert (expected, how) == (found and found.url, source)


SHARED = "https://git/ci/shared-lib.git"


@pytest.mark.parametrize(
    ("branch", "actions", "expected"),
    [
        ("main", [data(LIBRARY, branch="v2"), data(APP, branch="main")], APP),
        ("main", [data(SHARED, branch="main"), data(APP, branch="main")], APP),
        ("PR-7", [data(LIBRARY, branch="main"), data(APP, branch="PR-7")], APP),
        ("PR-7", [data(LIBRARY, branch="main"), data(APP, branch="main")], LIBRARY),
        ("main", [data(SHARED, branch="main")], SHARED),
        (None, [data(SHARED), data(APP)], APP),
        (None, [data("git@git:ci/jenkins-pipeline-library.git"), data(INFRA)], INFRA),
        (None, [data("https://git/payments-lib.git"), data(APP)], "https://git/payments-lib.git"),
    ],
)
def test_a_shared_library_is_not_what_the_build_is_about(
    branch: str | None, actions: list[Action], expected: str
) -> None:
    """The job's own branch tells, else a library's usual name."""
    found, _ = primary(Build(1, actions=[*actions]), (), None, branch)
    assert found is not None
    assert expected == found.url


@pytest.mark.parametrize(
    "library",
    [{"name": "lib", "version": "x"}, {"name": "steps", "version": "v2"},
     {"name": "steps", "version": THIRD}],
)  # fmt: skip
def test_a_shared_library_that_jenkins_names(library: dict[str, str]) -> None:
    """By its name, or by the version that was loaded; what is odd in the list is passed over."""
    used = Action(LIBRARIES_ACTION, libraries=[None, 7, {}, library])
    build = Build(1, actions=[used, data(LIBRARY, branch="v2", sha=THIRD), data(APP)])
    found, how = primary(build, (), None)
    assert (found and found.url, how) == (APP, "the first of 1 checkouts that is no library's")


def test_commits_of_others_do_not_count() -> None:
    """A library's and an ignored repository's change sets; those of a second checkout do."""
    build = Build(
        1,
        actions=[data(SHARED, sha=OTHER), data(APP, sha=SHA), data(INFRA, sha=THIRD)],
        changeSets=[ChangeSet(items=[Change("1" * 40), Change(OTHER)]),
                    ChangeSet(items=[Change("2" * 40), Change(SHA)]),
                    ChangeSet(items=[Change(THIRD)])],
    )  # fmt: skip
    for ignore, expected in ((), ["2" * 40, SHA, THIRD]), (("*infra*",), ["2" * 40, SHA]):
        own, _ = primary(build, ignore, None)
        foreign = foreign_commits(build, ignore, own, None)
        assert expected == commits_of(build, own, None, Extracted(), foreign)[0]


def test_two_checkouts_of_one_repository() -> None:
    """In the workspace and in a folder: the first counts, and so do the commits of both."""
    build = Build(
        1,
        actions=[data(APP, sha=SHA), data(APP, branch="origin/docs", sha=OTHER)],
        changeSets=[ChangeSet(items=[Change(SHA)]), ChangeSet(items=[Change(OTHER)])],
    )
    own, _ = primary(build, (), None)
    assert own is not None
    assert (own.url, own.branch) == (APP, "main")
    foreign = foreign_commits(build, (), own, None)
    assert commits_of(build, own, None, Extracted(), foreign)[0] == [SHA, OTHER]


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ({"SHA1": THIRD}, THIRD),
        (None, SHA),
        ({"SHA1": None}, SHA),
        ({"SHA1": SHA}, SHA),
        ("x", SHA),
    ],
)
def test_a_pull_request_built_merged(marked: object, expected: str) -> None:
    """A commit that the repository has, not the merge that the agent made."""
    action = data(APP, branch="PR-8", sha=SHA)
    built = {"marked": marked, "revision": {"SHA1": SHA}}
    builds = {
        "other": {"marked": {"SHA1": OTHER}, "revision": {"SHA1": OTHER}},
        "no": None,
        "PR-8": built,
    }
    action = msgspec.structs.replace(action, buildsByBranchName=builds)
    build = Build(1, actions=[action])
    own, _ = primary(build, (), None, "PR-8")
    assert own is not None
    assert commits_of(build, own, None, Extracted())[0] == [expected]
    merged = Build(1, actions=[action], changeSets=[ChangeSet(items=[Change(SHA), Change(OTHER)])])
    kept = [OTHER] if expected != SHA else [SHA, OTHER]
    assert commits_of(merged, own, None, Extracted())[0] == kept


def test_a_branch_after_what_is_none() -> None:
    """The next one counts."""
    names = [
        {"name": "refs/remotes/origin/HEAD"},
        None,
        {"name": "detached"},
        {"name": "origin/dev"},
    ]
    action = Action(
        BUILD_DATA[0], remoteUrls=[APP], lastBuiltRevision={"SHA1": SHA, "branch": names}
    )
    found, _ = primary(Build(1, actions=[action]), (), None)
    assert found is not None
    assert found.branch == "dev"


def test_mercurial_without_changes() -> None:
    """Its own action has the revision."""
    action = Action("hudson.plugins.mercurial.MercurialTagAction", mercurialNodeName=SHA)
    build = Build(1, actions=[None, Action(mercurialNodeName=7), action])
    assert commits_of(build, None, None, Extracted()) == (
        [SHA],
        "the revision that was checked out",
    )


def test_any_address_of_a_checkout_may_match() -> None:
    """The first is the one that is sent."""
    build = Build(1, actions=[data(LIBRARY), data("https://u:t@mirror/app", APP)])
    found, _ = primary(build, (), APP)
    assert found is not None
    assert found.url == "https://mirror/app"


@pytest.mark.parametrize(
    ("sets", "parameter", "extracted", "checked_out", "expected", "source"),
    [
        ([ChangeSet(items=[Change(SHA), Change(OTHER), Change(SHA)])], OTHER, (), THIRD, [SHA, OTHER], "change sets"),
        ([ChangeSet(items=[Change(SHA)]), ChangeSet(items=[Change(OTHER)])], None, (), None, [SHA, OTHER], "change sets"),
        ([], f"{SHA},{OTHER};{THIRD} {SHA}\n{SHA[:39]}", (), THIRD, [SHA, OTHER, THIRD], "parameter SEI_SCM_COMMIT_IDS"),
        ([], "none", (OTHER, "short"), THIRD, [OTHER], "[[extract]]"),
        ([], None, (), THIRD, [THIRD], "what was checked out of https://git/app.git"),
        ([], None, (), None, [], "nothing names one"),
        ([ChangeSet(kind="svn", items=[Change("17"), Change("18")])], None, (), None, [], "nothing names one"),
        ([ChangeSet(kind="svn", items=[Change("17")])], SHA, (), None, [SHA], "parameter SEI_SCM_COMMIT_IDS"),
        ([ChangeSet("org.jenkinsci.plugins.p4.changes.P4ChangeSet", items=[Change("4711"), Change("label"), Change(f"//r/x@{SHA}")])], None, (), None, ["4711", SHA], "change sets"),
        ([ChangeSet(kind="hg", items=[Change(SHA)])], None, (), None, [SHA], "change sets"),
        ([ChangeSet(items=[Change("d" * 64)])], None, (), None, ["d" * 64], "change sets"),
        ([ChangeSet(kind="svn", revisions=[{"revision": 17}, {"revision": 17}, {"revision": "x"}, None])], None, (), None, ["17"], "the revision that was checked out"),
        ([ChangeSet(items=[Change(None)])], None, (), None, [], "nothing names one"),
    ],
)  # fmt: skip
def test_commits(
    sets: list[ChangeSet],
    parameter: str | None,
    extracted: tuple[str, ...],
    checked_out: str | None,
    expected: list[str],
    source: str,
) -> None:
    """Each source in its turn, in order, no doubles; Subversion has no ids that SEI knows."""
    build = Build(1, changeSets=sets)
    checkout = Checkout((APP,), None, checked_out)
    assert (expected, source) == commits_of(
        build, checkout, parameter, Extracted(commits=extracted)
    )


def test_limits_of_commits() -> None:
    """A hundred by the parameter, a thousand in all."""
    many = [f"{n:040x}" for n in range(2_000)]
    build = Build(1, changeSet=ChangeSet(items=[Change(one) for one in many]))
    assert len(commits_of(build, None, None, Extracted())[0]) == 1_000
    assert len(commits_of(Build(1), None, ",".join(many), Extracted())[0]) == 100


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://u:p@h/x", "https://h/x"),
        ("https://token@h/x", "https://h/x"),
        ("git@h:x.git", "git@h:x.git"),
        ("ssh://git@h/x", "ssh://git@h/x"),
        ("ssh://git:secret@h:22/x", "ssh://git@h:22/x"),
        ("http://[", "http://["),
        ("http://u:p@[", "["),
        ("file:///srv/app.git", "file:///srv/app.git"),
    ],
)
def test_addresses_without_credentials(url: str, expected: str) -> None:
    """The user of an SSH address is no secret, its password is."""
    assert expected == without_credentials(url)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("refs/remotes/origin/main", "main"), ("origin/feature/x", "feature/x"), ("main", "main"),
     ("refs/tags/v1.0", "v1.0"), ("refs/heads/x/y", "x/y"), ("PR-17", "PR-17"),
     ("refs/remotes/upstream/main", "main"), ("upstream/main", "main"),
     ("refs/remotes/fork/release/1.2", "release/1.2"), ("origin/HEAD", None), ("HEAD", None),
     ("refs/remotes/origin/HEAD", None), ("detached", None), ("", None), (None, None)],
)  # fmt: skip
def test_branch_names(name: object, expected: str | None) -> None:
    """Without what git puts before them."""
    revision = {"SHA1": SHA, "branch": [{"name": name}]}
    action = Action(BUILD_DATA[1], remoteUrls=[APP], lastBuiltRevision=revision)
    found, _ = primary(Build(1, actions=[action]), (), None)
    assert found is not None
    assert expected == found.branch


def test_the_extraction_is_named() -> None:
    """Where it is known which rules found something."""
    extracted = Extracted(commits=(SHA,), by=(1, 3))
    assert commits_of(Build(1), None, None, extracted) == ([SHA], "[[extract]] 1, 3")
