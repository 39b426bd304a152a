"""Repository, branch and commits of a build. Pure.

A build has a ``BuildData`` for each repository it checked out, and that of a shared library may
come first (measured), so the primary one is the one a rule names, else the first not ignored.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from poller.core.escape import NAME, TEXT, clip
from poller.jenkins.build import Build, ChangeSet
from poller.mapping.extract import Extracted

BUILD_DATA = ("hudson.plugins.git.util.BuildData", "hudson.plugins.git.util.BuildDetails")
COMMIT_PARAMETER = "SEI_SCM_COMMIT_IDS"
MOST_NAMED = 100
"""Commits that the parameter may name, as SEI's Jenkins plugin has it."""

MOST_COMMITS = 1_000
"""Commits of a run."""

PERFORCE = "org.jenkinsci.plugins.p4."
"""Its change sets have the number of a changelist, or ``repo@sha``, for a commit id."""

_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_CHANGELIST = re.compile(r"\d{1,18}")
_REMOTE = re.compile(r"^(?:refs/(?:remotes/(?:origin/)?|heads/|tags/)|origin/)")


@dataclass(frozen=True)
class Checkout:
    """One repository that the build checked out; ``urls`` has no credentials in it."""

    urls: tuple[str, ...]
    branch: str | None
    sha1: str | None

    @property
    def url(self) -> str:
        """The first of its addresses."""
        return clip(self.urls[0], TEXT)

    def matches(self, glob: str) -> bool:
        """Whether one of its addresses does."""
        return any(fnmatch.fnmatchcase(url, glob) for url in self.urls)


def primary(
    build: Build, ignore_repos: Sequence[str], primary_repo: str | None
) -> tuple[Checkout | None, str]:
    """The checkout that the build is about, and how it was chosen; None where there is none."""
    found = [
        checkout
        for checkout in checkouts(build)
        if not any(checkout.matches(glob) for glob in ignore_repos)
    ]
    if primary_repo is not None:
        named = next((checkout for checkout in found if checkout.matches(primary_repo)), None)
        if named is not None:
            return named, f"the checkout that primary_repo {primary_repo!r} names"
    if not found:
        return None, "no git checkout"
    only = len(found) == 1
    return found[0], "the only checkout" if only else f"the first of {len(found)} checkouts"


def checkouts(build: Build) -> Iterator[Checkout]:
    """Every repository that git checked out, in Jenkins' order."""
    for action in build.actions:
        if action is None or action.cls not in BUILD_DATA:
            continue
        remotes = action.remoteUrls if isinstance(action.remoteUrls, list) else []
        urls = tuple(without_credentials(url) for url in remotes if isinstance(url, str) and url)
        if urls:
            yield Checkout(urls, *_revision(action.lastBuiltRevision))


def commits_of(
    build: Build, checkout: Checkout | None, parameter: str | None, extracted: Extracted
) -> tuple[list[str], str]:
    """Commit ids and where they are from: the change sets, else ``SEI_SCM_COMMIT_IDS``, else what
    was extracted from the log, else the one checked out."""
    sets = [one for one in (build.changeSet, *build.changeSets) if one is not None]
    if found := unique(commit for one in sets for commit in _ids(one)):
        return found[:MOST_COMMITS], "change sets"
    if found := unique(sha1s(re.split(r"[,;\s]+", parameter or ""))):
        return found[:MOST_NAMED], f"parameter {COMMIT_PARAMETER}"
    if found := unique(sha1s(extracted.commits)):
        return found[:MOST_COMMITS], extracted.source
    if checkout is not None and checkout.sha1:
        return [checkout.sha1], f"what was checked out of {checkout.url}"
    return [], "nothing names one"


def sha1s(ids: Iterable[str | None]) -> Iterator[str]:
    """Those of 40 hexadecimal digits."""
    return (one for one in ids if one and _SHA1.fullmatch(one))


def unique(ids: Iterable[str]) -> list[str]:
    """In order, no doubles."""
    return list(dict.fromkeys(ids))


def _ids(changes: ChangeSet) -> Iterator[str]:
    """SHA-1s and, of Perforce, changelists, as SEI's plugin sends them; Subversion has neither."""
    ids = (change.commitId for change in changes.items)
    if not changes.cls.startswith(PERFORCE):
        return sha1s(ids)
    ends = ((one or "").rpartition("@")[2] for one in ids)
    return (one for one in ends if _CHANGELIST.fullmatch(one) or _SHA1.fullmatch(one))


def without_credentials(url: str) -> str:
    """``https://user:token@host/x`` → ``https://host/x``; ``git@host:x`` stays, it is no secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    if "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme == "ssh":
        host = f"{user.partition(':')[0]}@{host}"
    return urlunsplit(parts._replace(netloc=host))


def plain_branch(name: str) -> str:
    """``refs/remotes/origin/main`` → ``main``."""
    return clip(_REMOTE.sub("", name), NAME)


def _revision(revision: object) -> tuple[str | None, str | None]:
    """Branch and commit of a ``lastBuiltRevision``."""
    if not isinstance(revision, dict):
        return None, None
    sha1, branches = revision.get("SHA1"), revision.get("branch")
    first = branches[0] if isinstance(branches, list) and branches else None
    name = first.get("name") if isinstance(first, dict) else None
    return (
        plain_branch(name) if isinstance(name, str) and name not in ("", "detached") else None,
        sha1 if isinstance(sha1, str) and _SHA1.fullmatch(sha1) else None,
    )
