"""What builds export, in Jenkins' order. Read only when a tree asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from poller.demo.jenkins.builds import INTERRUPTED, NO_CHANGES
from poller.demo.jenkins.tree_query import ABSENT, Getter

if TYPE_CHECKING:
    from poller.demo.jenkins.builds import Build
    from poller.demo.jenkins.items import Item, Jenkins, Job


IN_PROGRESS_SINCE = (2, 369)


class Asked:
    """One request: where it was sent, as ``url`` echoes that, and the builds that it loads."""

    def __init__(self, jenkins: Jenkins, base: str) -> None:
        self.jenkins = jenkins
        self.base = base
        self.echo: tuple[Item, str] | None = None
        self.loaded: set[Build] = set()
        self.plain = False

    def url(self, item: Item) -> str:
        """The URL of an item: the path that was asked, and from there Jenkins' own encoding."""
        if self.echo is not None and self.echo[0] is item:
            return self.base + self.echo[1]
        if item.parent is None:
            return self.base
        below = "" if hasattr(item.parent, "modules") else "job/"
        return f"{self.url(item.parent)}{below}{encode(item.name)}/"


def encode(name: str) -> str:
    """A path segment as Jenkins encodes it."""
    return quote(name, safe="!$&'()*+,-.=@_").replace("~", "%7E")


def reading(read: Callable[[Any], Any]) -> Getter:
    """A property that depends on the object alone."""
    return lambda value, _asked: read(value)


def asking(read: Callable[[Asked], Any]) -> Getter:
    """A property that depends on the request alone."""
    return lambda _value, asked: read(asked)


def same(value: Any) -> Getter:
    """A property that is the same for all."""
    return lambda _value, _asked: value


def _loading(read: Callable[[Build], Any]) -> Getter:
    """A property of a build that Jenkins has to load the build for."""

    def getter(build: Build, asked: Asked) -> Any:
        asked.loaded.add(build)
        return read(build)

    return getter


def _loading_same(value: Any) -> Getter:
    return _loading(lambda _build: value)


def _in_progress(build: Build, asked: Asked) -> Any:
    asked.loaded.add(build)
    if asked.jenkins.core < IN_PROGRESS_SINCE:
        return ABSENT
    return build.in_progress


def _executor(build: Build) -> Any:
    if not build.building:
        return None
    found: dict[str, Any] = {"_class": "hudson.model.OneOffExecutor"}
    return {
        **(found if build.job.kind.pipeline else {}),
        "currentExecutable": {"_class": build.class_name, "number": build.number},
        "idle": False,
        "likelyStuck": False,
        "number": -1 if build.job.kind.pipeline else 0,
        "progress": -1,
    }


def _actions(build: Build, asked: Asked) -> Any:
    asked.loaded.add(build)
    actions = build.actions()
    if not asked.plain:
        return actions
    # Who aborted a build is shown to those who ask for it by a tree only.
    return [{"_class": INTERRUPTED} if a.get("_class") == INTERRUPTED else a for a in actions]


def _beside(step: int) -> Getter:
    """``previousBuild`` and ``nextBuild``, which have no class."""

    def getter(build: Build, asked: Asked) -> Any:
        asked.loaded.add(build)
        numbers = list(build.job.builds)
        place = numbers.index(build.number) + step
        if not 0 <= place < len(numbers):
            return None
        return {"number": numbers[place], "url": f"{asked.url(build.job)}{numbers[place]}/"}

    return getter


BUILD: Mapping[str, Getter] = {
    "actions": _actions,
    "artifacts": _loading(lambda build: build.artifacts),
    "building": _loading(lambda build: build.building),
    "description": _loading(lambda build: build.description),
    "displayName": _loading(lambda build: f"#{build.number}"),
    "duration": _loading(lambda build: build.duration),
    "estimatedDuration": _loading(lambda build: build.job.estimated_duration()),
    "executor": _loading(_executor),
    "fingerprint": _loading_same([]),
    "fullDisplayName": _loading(lambda build: f"{build.job.full_display_name} #{build.number}"),
    "id": reading(lambda build: str(build.number)),
    "inProgress": _in_progress,
    "keepLog": _loading_same(False),
    "number": reading(lambda build: build.number),
    "queueId": _loading(lambda build: build.queue_id),
    "result": _loading(lambda build: build.result),
    "timestamp": _loading(lambda build: build.timestamp),
    "url": lambda build, asked: f"{asked.url(build.job)}{build.number}/",
    "culprits": _loading(lambda build: build.culprits),
}
RUN: Mapping[str, Getter] = {
    **BUILD,
    "changeSets": _loading(lambda build: build.change_sets),
    "nextBuild": _beside(1),
    "previousBuild": _beside(-1),
}
ABSTRACT_BUILD: Mapping[str, Getter] = {
    **BUILD,
    "builtOn": _loading_same(""),
    "changeSet": _loading(lambda build: build.change_sets[0] if build.change_sets else NO_CHANGES),
}
MATRIX_BUILD: Mapping[str, Getter] = {
    **ABSTRACT_BUILD,
    "runs": _loading(lambda build: build.matrix_runs),
}
MAVEN_BUILD: Mapping[str, Getter] = {
    **ABSTRACT_BUILD,
    "mavenArtifacts": _loading_same({}),
    "mavenVersionUsed": _loading_same("3.9.6"),
}


def newest_first(job: Job) -> Iterable[Build]:
    """The builds of a job."""
    return reversed(job.builds.values())
