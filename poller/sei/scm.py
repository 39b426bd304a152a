"""Repository, branch and commits of a build. Pure.

A build has a ``BuildData`` for each repository it checked out, and that of a shared library may
come first (measured), so the primary one is the first that is not ignored.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from poller.jenkins.model import Build
from poller.sei.text import NAME, TEXT, clean

BUILD_DATA = ("hudson.plugins.git.util.BuildData", "hudson.plugins.git.util.BuildDetails")
COMMIT_PARAMETER = "SEI_SCM_COMMIT_IDS"
MOST_COMMITS = 100

_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_REMOTE = re.compile(r"^(?:refs/(?:remotes/(?:origin/)?|heads/|tags/)|origin/)")


@dataclass(frozen=True)
class Checkout:
    """One repository that the build checked out."""

    url: str
    branch: str | None
    sha1: str | None


def primary(build: Build, ignore_repos: Sequence[str]) -> Checkout | None:
    """The checkout that the build is about; None where there is none."""
    for action in build.actions:
        if (
            action is None
            or action.cls not in BUILD_DATA
            or not isinstance(action.remoteUrls, list)
        ):
            continue
        url = next((u for u in action.remoteUrls if isinstance(u, str) and u), None)
        if url is None:
            continue
        url = without_credentials(url)
        if any(fnmatch.fnmatchcase(url, glob) for glob in ignore_repos):
            continue
        return Checkout(clean(url, TEXT), *_revision(action.lastBuiltRevision))
    return None


def commits(build: Build, checkout: Checkout | None, parameter: str | None) -> list[str]:
    """Commit ids: of the change sets, else of ``SEI_SCM_COMMIT_IDS``, else the one checked out."""
    sets = [build.changeSet, *build.changeSets]
    ids = (change.commitId for one in sets if one is not None for change in one.items)
    for found in (unique(ids), unique(re.split(r"[,;\s]+", parameter or ""))):
        if found:
            return found
    return [checkout.sha1] if checkout is not None and checkout.sha1 else []


def unique(ids: Iterable[str | None]) -> list[str]:
    """Ids of 40 hexadecimal digits, in order, no doubles, at most 100."""
    seen = dict.fromkeys(one for one in ids if one and _SHA1.fullmatch(one))
    return list(seen)[:MOST_COMMITS]


def without_credentials(url: str) -> str:
    """``https://user:token@host/x`` → ``https://host/x``; ``git@host:x`` stays, it is no secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    if "@" not in parts.netloc or parts.scheme == "ssh":
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def plain_branch(name: str) -> str:
    """``refs/remotes/origin/main`` → ``main``."""
    return clean(_REMOTE.sub("", name), NAME)


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
