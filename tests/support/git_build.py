"""Builds of a git repository: as Jenkins has them, as we read them, and how they are mapped."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

from poller.config.servers import DEFAULT_RESULTS
from poller.jenkins.build import Action, Build
from poller.jenkins.stage import StageTree
from poller.mapping.evidence import EnrichedBuild, UpstreamBuild
from poller.mapping.map_build import MappedRun, MappingConfig, map_build
from poller.mapping.names import JobInfo, SeiInstance
from poller.mapping.params import redactor_of
from poller.mapping.redaction import Redactor
from poller.mapping.rules import Skip, rules_of

IDENTITY = SeiInstance("main", str(uuid.UUID(int=1)), "https://ci.example.com/")
JOB = JobInfo("team/app", 0, 0, multibranch=False)


SHA = "a" * 40


def policy(**changes: Any) -> MappingConfig:
    """The defaults."""
    given = {
        "results": DEFAULT_RESULTS,
        "redactor": Redactor(),
        "ignore_repos": (),
        "body_limit": 480_000,
    }
    return MappingConfig(**{**given, **changes})


def build(**changes: Any) -> Build:
    """A completed build."""
    given = {
        "number": 7,
        "timestamp": 1_700_000_000_000,
        "duration": 5,
        "result": "SUCCESS",
        "inProgress": False,
    }
    return Build(**{**given, **changes})


def map_one(
    one: Build,
    tree: StageTree | None = None,
    *,
    job: JobInfo = JOB,
    instance: SeiInstance = IDENTITY,
    upstream: tuple[UpstreamBuild, ...] = (),
    **changes: Any,
) -> MappedRun | Skip:
    """The build mapped with the defaults but for these ``changes``."""
    config = policy(**changes)
    job = dataclasses.replace(job, rules=rules_of(config.rules, job.full_name))
    enriched = EnrichedBuild(one, redactor_of(one, config.redactor), tree, upstream)
    return map_build(instance, job, enriched, config)


def causes(*ones: dict[str, Any]) -> list[Action | None]:
    """A CauseAction."""
    return [None, Action(), Action("hudson.model.CauseAction", causes=list(ones))]


def git(url: str, branch: str = "refs/remotes/origin/main") -> Action:
    """A git BuildData."""
    revision = {"SHA1": SHA, "branch": [{"SHA1": SHA, "name": branch}]}
    return Action("hudson.plugins.git.util.BuildData", lastBuiltRevision=revision, remoteUrls=[url])


def build_data(url: str, branch: str, sha1: str, number: int = 1) -> dict[str, Any]:
    """The ``BuildData`` that the git plugin leaves: for ``actions=`` of a build."""
    revision = {"SHA1": sha1, "branch": [{"SHA1": sha1, "name": branch}]}
    built = {
        "_class": "hudson.plugins.git.util.Build",
        "buildNumber": number,
        "buildResult": None,
        "marked": revision,
        "revision": revision,
    }
    return {
        "_class": "hudson.plugins.git.util.BuildData",
        "buildsByBranchName": {branch: built},
        "lastBuiltRevision": revision,
        "remoteUrls": [url],
        "scmName": "",
    }


def git_changes(*commits: str) -> dict[str, Any]:
    """A git change set with these commits: for ``change_sets=`` of a build."""
    items = [
        {
            "_class": "hudson.plugins.git.GitChangeSet",
            "commitId": commit,
            "id": commit,
            "msg": "a change",
            "comment": "a change\n",
            "affectedPaths": ["README.md"],
            "authorEmail": "dev@example.invalid",
            "paths": [{"editType": "edit", "file": "README.md"}],
        }
        for commit in commits
    ]
    return {"_class": "hudson.plugins.git.GitChangeSetList", "items": items, "kind": "git"}
