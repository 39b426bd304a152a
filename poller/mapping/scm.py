"""Repository, branch and commits of a build. Pure.

A build has a ``BuildData`` for each repository it checked out, and that of a shared library may
come first (measured). So the primary one is the one that a rule names, else, of a multibranch job,
the one of its branch, else the first that is neither ignored nor a library's.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
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

LIBRARIES_ACTION = "org.jenkinsci.plugins.workflow.libs.LibrariesAction"
NO_BRANCHES = ("", "HEAD", "detached", "(no branch)")
"""What git says where it is on none."""

_SHA = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
"""SHA-1, or SHA-256."""

_CHANGELIST = re.compile(r"\d{1,18}")
_REMOTE = re.compile(r"^(?:refs/(?:remotes/[^/]+/|heads/|tags/)|(?:origin|upstream)/)")
_LIBRARY = re.compile(r"(?i)(?:shared|pipelines?|jenkins|global)[-_.]?(?:\w+[-_.])*lib")
"""A shared library's usual name, for a Jenkins that does not tell which ones a build used."""


@dataclass(frozen=True)
class Checkout:
    """One repository that the build checked out; ``urls`` has no credentials in it. ``sha1`` is a
    commit that the repository has; ``merge`` is the one that the agent made of it, if it did."""

    urls: tuple[str, ...]
    branch: str | None
    sha1: str | None
    merge: str | None = None

    @property
    def url(self) -> str:
        """The first of its addresses."""
        return clip(self.urls[0], TEXT)

    def matches(self, glob: str) -> bool:
        """Whether one of its addresses does."""
        return any(fnmatch.fnmatchcase(url, glob) for url in self.urls)


def primary(
    build: Build,
    ignore_repos: Sequence[str],
    primary_repo: str | None,
    own_branch: str | None = None,
) -> tuple[Checkout | None, str]:
    """The checkout that the build is about, and how it was chosen; None where there is none.
    ``own_branch`` is the branch of a multibranch job."""
    found = [one for one in checkouts(build) if not _ignored(one, ignore_repos)]
    if primary_repo is not None:
        named = next((checkout for checkout in found if checkout.matches(primary_repo)), None)
        if named is not None:
            return named, f"the checkout that primary_repo {primary_repo!r} names"
    if not found:
        return None, "no git checkout"
    if len(found) == 1:
        return found[0], "the only checkout"
    library = libraries(build, found)
    of_branch = [one for one in found if own_branch is not None and one.branch == own_branch]
    if of_branch:
        own = next((one for one in of_branch if one not in library), of_branch[0])
        return own, f"the checkout of the job's branch, of {len(found)} checkouts"
    no_library = [one for one in found if one not in library] or found
    source = f"the first of {len(no_library)} checkouts"
    if len(no_library) < len(found):
        source += f" that {'are' if len(no_library) > 1 else 'is'} no library's"
    return no_library[0], source


def libraries(build: Build, found: Sequence[Checkout]) -> list[Checkout]:
    """Those that are a shared library's: by its name, else by its version, as Jenkins tells them;
    else by a library's usual name."""
    left = list(found)
    for action in build.actions:
        if action is None or action.cls != LIBRARIES_ACTION:
            continue
        for one in action.libraries if isinstance(action.libraries, list) else ():
            name, version = (
                (one.get("name"), one.get("version")) if isinstance(one, dict) else ("",) * 2
            )
            named = [c for c in left if _repo_name(c.url) == name]
            named += [c for c in left if version and version in (c.branch, c.sha1)]
            if named:
                left.remove(named[0])
    return [one for one in found if one not in left or _LIBRARY.search(_repo_name(one.url))]


def foreign_commits(
    build: Build, ignore_repos: Sequence[str], chosen: Checkout | None, own_branch: str | None
) -> frozenset[str]:
    """Commits that tell whose a change set is: those checked out of repositories that the build is
    not about. Of a multibranch job, what comes before its own checkout was a library's."""
    found = list(checkouts(build))
    if len(found) < 2 and not ignore_repos:
        return frozenset()
    library = libraries(build, found)
    if chosen is not None and own_branch is not None and chosen.branch == own_branch:
        library += found[: found.index(chosen)]
    foreign = [
        one for one in found if one != chosen and (one in library or _ignored(one, ignore_repos))
    ]
    own = {one.sha1 for one in found if one not in foreign}
    return frozenset(one.sha1 for one in foreign if one.sha1 and one.sha1 not in own)


def _ignored(checkout: Checkout, ignore_repos: Sequence[str]) -> bool:
    return any(checkout.matches(glob) for glob in ignore_repos)


def _repo_name(url: str) -> str:
    """``git@host:team/app.git`` → ``app``."""
    return re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")


def checkouts(build: Build) -> Iterator[Checkout]:
    """Every repository that git checked out, in Jenkins' order."""
    for action in build.actions:
        if action is None or action.cls not in BUILD_DATA:
            continue
        remotes = action.remoteUrls if isinstance(action.remoteUrls, list) else []
        urls = tuple(without_credentials(url) for url in remotes if isinstance(url, str) and url)
        if urls:
            branch, built = _revision(action.lastBuiltRevision)
            marked = _marked(action.buildsByBranchName, built)
            yield Checkout(urls, branch, marked or built, built if marked else None)


def commits_of(
    build: Build,
    checkout: Checkout | None,
    parameter: str | None,
    extracted: Extracted,
    foreign: Collection[str] = (),
) -> tuple[list[str], str]:
    """Commit ids and where they are from: the change sets, else ``SEI_SCM_COMMIT_IDS``, else what
    was extracted from the log, else the one checked out. A change set with a commit in ``foreign``
    is not the build's; neither is a merge that the agent made."""
    sets = [list(_ids(one)) for one in (build.changeSet, *build.changeSets) if one is not None]
    if foreign:
        sets = [ids for ids in sets if not any(one in foreign for one in ids)]
    merge = checkout.merge if checkout is not None else None
    if found := unique(commit for ids in sets for commit in ids if commit != merge):
        return found[:MOST_COMMITS], "change sets"
    if found := unique(shas(re.split(r"[,;\s]+", parameter or ""))):
        return found[:MOST_NAMED], f"parameter {COMMIT_PARAMETER}"
    if found := unique(shas(extracted.commits)):
        return found[:MOST_COMMITS], extracted.source
    if checkout is not None and checkout.sha1:
        return [checkout.sha1], f"what was checked out of {checkout.url}"
    if found := unique(_revisions(build)):
        return found[:MOST_COMMITS], "the revision that was checked out"
    return [], "nothing names one"


def shas(ids: Iterable[str | None]) -> Iterator[str]:
    """Those of 40 or 64 hexadecimal digits."""
    return (one for one in ids if one and _SHA.fullmatch(one))


def _revisions(build: Build) -> Iterator[str]:
    """What Mercurial and Subversion say was checked out; Perforce's action says nothing."""
    for action in build.actions:
        if action is not None and isinstance(action.mercurialNodeName, str):
            yield from shas([action.mercurialNodeName])
    for one in (build.changeSet, *build.changeSets):
        for module in one.revisions if one is not None and isinstance(one.revisions, list) else ():
            revision = module.get("revision") if isinstance(module, dict) else None
            if type(revision) is int and revision > 0:
                yield str(revision)


def unique(ids: Iterable[str]) -> list[str]:
    """In order, no doubles."""
    return list(dict.fromkeys(ids))


def _ids(changes: ChangeSet) -> Iterator[str]:
    """SHA-1s and, of Perforce, changelists, as SEI's plugin sends them; Subversion has neither."""
    ids = (change.commitId for change in changes.items)
    if not changes.cls.startswith(PERFORCE):
        return shas(ids)
    ends = ((one or "").rpartition("@")[2] for one in ids)
    return (one for one in ends if _CHANGELIST.fullmatch(one) or _SHA.fullmatch(one))


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
    branches = revision.get("branch")
    names = (
        [one.get("name") for one in branches if isinstance(one, dict)]
        if isinstance(branches, list)
        else []
    )
    plain = [plain_branch(name) for name in names if isinstance(name, str)]
    return next((name for name in plain if name not in NO_BRANCHES), None), _sha(revision)


def _marked(builds: object, built: str | None) -> str | None:
    """The commit of the repository that the agent merged into ``built``; None where it is that."""
    for one in builds.values() if isinstance(builds, dict) and built else ():
        if isinstance(one, dict) and _sha(one.get("revision")) == built:
            marked = _sha(one.get("marked"))
            if marked != built:
                return marked
    return None


def _sha(revision: object) -> str | None:
    sha = revision.get("SHA1") if isinstance(revision, dict) else None
    return sha if isinstance(sha, str) and _SHA.fullmatch(sha) else None
