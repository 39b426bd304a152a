"""Repository, branch and commits: which of several, and of which kinds of repository."""

from __future__ import annotations

import pytest

from poller.jenkins.build import Action, Build, Change, ChangeSet
from poller.mapping.extract import Extracted
from poller.mapping.scm import BUILD_DATA, Checkout, commits_of, primary, without_credentials

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
     ("refs/remotes/upstream/main", "upstream/main"), ("detached", None), ("", None), (None, None)],
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
