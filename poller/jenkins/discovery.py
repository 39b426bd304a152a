"""The change feed: which jobs have something new, for two requests that load no build.

``nextBuildNumber`` is the one counter that Jenkins answers without loading a build from disk;
which builds run now is the other half.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer, NotFound, Unauthorized
from poller.jenkins.answers import within
from poller.jenkins.build import LAST_MS, LONG, MOST_BUILDS
from poller.jenkins.client import JenkinsClient
from poller.jenkins.paths import MODULE, is_name

LEVELS = 4
"""Levels of the tree that are asked at once before the depth of a controller is known."""

MOST_LEVELS = 60
"""The URL must stay under 8 kB: a level costs some 60 characters, and is percent-encoded; with
modules, three times as much."""

DEEPEST = 200
"""Levels of folders that are gone down to: no Jenkins has so many, but an answer may say so."""

MOST_ASKED = 10_000
"""Folders that are asked for by themselves in one poll; the next poll asks deeper at once."""

MODULES = ("modules", "activeConfigurations")
"""Where a Maven project and a matrix have jobs that are no items."""

WITH_MODULES = ("hudson.maven.MavenModuleSet", "hudson.matrix.MatrixProject")
MULTIBRANCH = "MultiBranchProject"
PIPELINE_JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"


class Item(Struct, frozen=True, gc=False):
    """One job as the item tree shows it. ``last`` is the newest build, asked for in the first poll
    only: of number 0 where there is none, None where it was not asked."""

    full_name: str
    cls: str
    next_build_number: int
    multibranch: bool = False
    last: BuildKey | None = None


@dataclass
class ItemTree:
    """A controller's items, as they were read.

    ``unread`` are folders that could not be read, with the reason; ``malformed`` counts the items
    that were not what Jenkins exports. ``depth`` is the number of levels that hold items.
    """

    items: dict[str, Item] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    malformed: int = 0
    depth: int = 1


async def fetch_items(
    client: JenkinsClient, depth: int | None, *, first: bool, modules: bool = False
) -> ItemTree:
    """Every job of the controller, with ``modules`` those of Maven modules and of matrices'
    configurations, too. ``depth`` is what an earlier poll found, None in the first.

    One request, and one more for each folder deeper than ``depth``. Raises RemoteError when the
    top can't be read; a folder that can't be is reported in the result.
    """
    levels = min(depth or LEVELS, MOST_LEVELS // 3 if modules else MOST_LEVELS)
    found = ItemTree()
    top = await client.items("", tree(levels, first=first, modules=modules))
    if not isinstance(top, dict) or not isinstance(top.get("jobs"), list):
        raise BadAnswer(
            client.where, "item tree", "there are no jobs in it", "is the url Jenkins' own?"
        )
    deeper = walk(top, found)
    asked: set[str] = set()
    while deeper:
        folder, level = deeper.pop()
        if folder in asked:
            continue
        asked.add(folder)
        if len(asked) > MOST_ASKED:
            found.unread[folder] = f"{client.where}: {folder}: not asked for, there are too many"
            continue
        try:
            answer = await client.items(folder, tree(levels, first=first, modules=modules))
        except (NotFound, Unauthorized) as error:
            found.unread[folder] = str(error)
            continue
        deeper += walk(answer, found, at=level, folder=folder)
    return found


def tree(levels: int, *, first: bool, modules: bool = False) -> str:
    """The ``tree=`` of ``levels`` levels; below the last, a bare ``jobs`` shows what is left."""
    fields = "_class,fullName,nextBuildNumber" + (
        ",lastBuild[number,timestamp,queueId]" if first else ""
    )
    below = "".join(f",{key}[{fields}]" for key in MODULES) if modules else ""
    asked = "jobs"
    for _ in range(levels):
        asked = f"jobs[{fields}{below},{asked}]"
    return asked


def walk(answer: Any, found: ItemTree, *, at: int = 0, folder: str = "") -> list[tuple[str, int]]:
    """Put every job of the answer into ``found``; return the folders to ask again, and their level.

    ``at`` is the level of the folder that was asked. Nothing is believed of an item's types.
    """
    deeper: list[tuple[str, int]] = []
    stack = [(answer, at, False, folder)]
    while stack:
        parent, level, multibranch, name = stack.pop()
        children = parent.get("jobs") if isinstance(parent, dict) else None
        if not isinstance(children, list):
            continue
        nameless = any(type(child) is dict and "fullName" not in child for child in children)
        if nameless and parent is not answer and level < DEEPEST:
            # Below the deepest level asked, Jenkins names nothing but the class.
            deeper.append((name, level))
            continue
        if children:
            found.depth = max(found.depth, level + 1)
        for child in children:
            full_name = child.get("fullName") if type(child) is dict else None
            if type(full_name) is not str or not full_name or not is_name(full_name):
                found.malformed += 1
            elif type(kind := child.get("_class", "")) is not str:
                # No text is not another class, which would make it another job.
                found.malformed += 1
            elif "nextBuildNumber" not in child:
                stack.append((child, level + 1, kind.endswith(MULTIBRANCH), full_name))
            elif (item := _item(child, full_name, multibranch=multibranch)) is None:
                found.malformed += 1
            else:
                found.items[full_name] = item
                found.items |= _modules(child, full_name)
    return deeper


def _item(child: dict[str, Any], full_name: str, *, multibranch: bool = False) -> Item | None:
    number = child.get("nextBuildNumber")
    if type(number) is not int or not 0 < number <= MOST_BUILDS:
        return None
    last = _key(child["lastBuild"]) if "lastBuild" in child else None
    return Item(full_name, child.get("_class", ""), number, multibranch, last)


def _modules(project: dict[str, Any], full_name: str) -> dict[str, Item]:
    """The jobs of a project's modules or configurations; what is none is passed over."""
    found: dict[str, Item] = {}
    for key in MODULES:
        children = project.get(key)
        for child in children if isinstance(children, list) else ():
            own = child.get("fullName") if isinstance(child, dict) else None
            if not isinstance(own, str) or not own.startswith(f"{full_name}/"):
                continue
            name = own.removeprefix(f"{full_name}/")
            module = full_name + MODULE + name
            if (
                name
                and "/" not in name
                and is_name(module)
                and type(child.get("_class", "")) is str
            ):
                item = _item(child, module)
                if item is not None:
                    found[module] = item
    return found


def _key(last: Any) -> BuildKey:
    if not isinstance(last, dict):
        return BuildKey(0, 0)
    number, timestamp, queue_id = (last.get(key) for key in ("number", "timestamp", "queueId"))
    return BuildKey(within(number, MOST_BUILDS), within(timestamp, LAST_MS), within(queue_id, LONG))


async def in_multibranch(client: JenkinsClient, full_name: str) -> bool:
    """Whether the job is a branch of a multibranch project. Raises RemoteError."""
    parent = full_name.rpartition("/")[0]
    if not parent:
        return False
    answer = await client.items(parent, "name")
    return isinstance(answer, dict) and str(answer.get("_class") or "").endswith(MULTIBRANCH)
