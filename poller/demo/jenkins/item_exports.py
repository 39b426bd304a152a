"""What jobs, folders and the top export, and what of each object when no tree is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from poller.demo.jenkins.build_exports import (
    ABSTRACT_BUILD,
    MATRIX_BUILD,
    MAVEN_BUILD,
    RUN,
    Asked,
    asking,
    newest_first,
    reading,
    same,
)
from poller.demo.jenkins.tree_query import Getter, Tree, parse

if TYPE_CHECKING:
    from poller.demo.jenkins.builds import Build
    from poller.demo.jenkins.items import Folder, Jenkins, Job


NEWEST_BUILDS = 100
"""``builds`` has no more, whatever range is asked; ``allBuilds`` has them all."""

COLORS = {"SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "ABORTED": "aborted"}
STABLE, GOOD = ("SUCCESS",), ("SUCCESS", "UNSTABLE")
VIEW = "hudson.model.AllView"
BRANCHES_VIEW = "jenkins.branch.MultiBranchProjectViewHolder$ViewImpl"


def _all_builds(job: Job, asked: Asked) -> list[Build]:
    asked.loaded.update(job.builds.values())
    return list(newest_first(job))


def _first_build(job: Job, _asked: Asked) -> Build | None:
    return next(iter(job.builds.values()), None)


def last_build(job: Job, _asked: object = None) -> Build | None:
    """The newest build."""
    return next(iter(newest_first(job)), None)


def last_of(wanted: Callable[[str | None], bool]) -> Callable[[Job, object], Build | None]:
    """The newest completed build whose result is wanted."""

    def getter(job: Job, _asked: object = None) -> Build | None:
        return next((b for b in newest_first(job) if b.last_completed and wanted(b.result)), None)

    return getter


ALIASES: Mapping[str, Callable[[Job, Any], Build | None]] = {
    "firstBuild": _first_build,
    "lastBuild": last_build,
    "lastCompletedBuild": last_of(lambda result: result is not None),
    "lastFailedBuild": last_of(lambda result: result == "FAILURE"),
    "lastStableBuild": last_of(lambda result: result in STABLE),
    "lastSuccessfulBuild": last_of(lambda result: result in GOOD),
    "lastUnstableBuild": last_of(lambda result: result == "UNSTABLE"),
    "lastUnsuccessfulBuild": last_of(lambda result: result != "SUCCESS"),
}
"""Permalinks: properties of a job, and segments of a path as well."""


def _color(job: Job, _asked: Asked) -> str:
    done = next((build for build in newest_first(job) if not build.building), None)
    color = COLORS.get(done.result or "", "notbuilt") if done else "notbuilt"
    last = last_build(job)
    return f"{color}_anime" if last is not None and last.building else color


def _health(job: Job, _asked: Asked) -> list[dict[str, Any]]:
    if not any(build.completed for build in job.builds.values()):
        return []
    return [
        {
            "description": "Build stability: No recent builds failed.",
            "iconClassName": "icon-health-80plus",
            "iconUrl": "health-80plus.png",
            "score": 100,
        }
    ]


CREDENTIALS = {"_class": "com.cloudbees.plugins.credentials.ViewCredentialsAction"}
JOB_DISPLAY = {"_class": "org.jenkinsci.plugins.displayurlapi.actions.JobDisplayAction"}

ITEM: Mapping[str, Getter] = {
    "description": same(""),
    "displayName": reading(lambda item: item.display_name),
    "displayNameOrNull": same(None),
    "fullDisplayName": reading(lambda item: item.full_display_name),
    "fullName": reading(lambda item: item.full_name),
    "name": reading(lambda item: item.name),
    "url": lambda item, asked: asked.url(item),
}
JOB: Mapping[str, Getter] = {
    "actions": same([{}, {}, JOB_DISPLAY, CREDENTIALS]),
    **ITEM,
    "allBuilds": _all_builds,
    "buildable": same(True),
    "builds": reading(lambda job: list(islice(newest_first(job), NEWEST_BUILDS))),
    "color": _color,
    "healthReport": _health,
    "inQueue": same(False),
    "keepDependencies": same(False),
    **ALIASES,
    "nextBuildNumber": reading(lambda job: job.next_build_number),
    "property": same([]),
    "queueItem": same(None),
    "concurrentBuild": same(True),
}
WORKFLOW_JOB: Mapping[str, Getter] = {
    **JOB,
    "actions": same([{}, {}, {}, JOB_DISPLAY, CREDENTIALS]),
    "resumeBlocked": same(False),
}
PROJECT: Mapping[str, Getter] = {
    **JOB,
    "disabled": same(False),
    "downstreamProjects": same([]),
    "labelExpression": same(None),
    "scm": same({"_class": "hudson.scm.NullSCM"}),
    "upstreamProjects": same([]),
}
MATRIX_PROJECT: Mapping[str, Getter] = {
    **PROJECT,
    "activeConfigurations": reading(lambda job: list(job.modules.values())),
}
MAVEN_PROJECT: Mapping[str, Getter] = {
    **PROJECT,
    "modules": reading(lambda job: list(job.modules.values())),
}


def _view(folder: Folder, asked: Asked) -> dict[str, Any]:
    found = {"_class": VIEW, "name": "all" if folder.parent is None else "All"}
    if folder.properties is MULTIBRANCH_EXPORTS:
        found = {"_class": BRANCHES_VIEW, "name": "default"}
    return {**found, "url": asked.url(folder)}


FOLDER_EXPORTS: Mapping[str, Getter] = {
    "actions": same([{}, {}, CREDENTIALS]),
    **ITEM,
    "healthReport": same([]),
    "jobs": reading(lambda folder: folder.items()),
    "primaryView": _view,
    "views": lambda folder, asked: [_view(folder, asked)],
}
MULTIBRANCH_EXPORTS: Mapping[str, Getter] = {
    **FOLDER_EXPORTS,
    "actions": same([{}, {}, {}, CREDENTIALS]),
    "sources": same([{}]),
}


def _executors(asked: Asked) -> int:
    jenkins: Jenkins = asked.jenkins
    return jenkins.executors


HUDSON: Mapping[str, Getter] = {
    "assignedLabels": same([{"name": "built-in"}]),
    "mode": same("NORMAL"),
    "nodeDescription": same("the Jenkins controller's built-in node"),
    "nodeName": same(""),
    "numExecutors": asking(_executors),
    "description": same(None),
    "jobs": reading(lambda top: top.items()),
    "overallLoad": same({}),
    "primaryView": _view,
    "quietDownReason": same(None),
    "quietingDown": same(False),
    "slaveAgentPort": same(-1),
    "unlabeledLoad": same({"_class": "jenkins.model.UnlabeledLoadStatistics"}),
    "url": asking(lambda asked: asked.base),
    "useCrumbs": same(True),
    "useSecurity": same(True),
    "views": lambda top, asked: [_view(top, asked)],
}


def _plain(properties: Mapping[str, Getter], left_out: Iterable[str], **deeper: str) -> Tree:
    names = [deeper.get(name, name) for name in properties if name not in set(left_out)]
    return parse(",".join(names))


_NUMBER = {name: f"{name}[number,url]" for name in ALIASES}
_VIEWS = {"primaryView": "primaryView[name,url]", "views": "views[name,url]"}
_JOBS = {"jobs": "jobs[name,url,color]"}

PLAIN_BUILDS = {
    id(table): _plain(
        table,
        ["fingerprint"],
        actions="actions[*[*[*[*[*]]]]]",
        changeSet="changeSet[*[*[*]]]",
        changeSets="changeSets[*[*[*]]]",
        artifacts="artifacts[*]",
        culprits="culprits[*]",
        nextBuild="nextBuild[*]",
        previousBuild="previousBuild[*]",
        runs="runs[*]",
    )
    for table in (RUN, ABSTRACT_BUILD, MATRIX_BUILD, MAVEN_BUILD)
}
PLAIN_JOBS = {
    id(table): _plain(
        table, ["allBuilds"], builds="builds[number,url]", healthReport="healthReport[*]", **_NUMBER
    )
    for table in (WORKFLOW_JOB, PROJECT, MATRIX_PROJECT, MAVEN_PROJECT)
}
PLAIN_FOLDERS = {
    id(table): _plain(table, [], assignedLabels="assignedLabels[*]", **_VIEWS, **_JOBS)
    for table in (FOLDER_EXPORTS, MULTIBRANCH_EXPORTS, HUDSON)
}


def plain_tree(properties: Mapping[str, Getter]) -> Tree:
    """What is exported of an object when no tree is given."""
    return (PLAIN_BUILDS | PLAIN_JOBS | PLAIN_FOLDERS)[id(properties)]
