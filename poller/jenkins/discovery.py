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
from poller.jenkins.paths import is_name

LEVELS = 4
"""Levels of the tree that are asked at once before the depth of a controller is known."""

MOST_LEVELS = 60
"""The URL must stay under 8 kB: a level costs some 60 characters, and is percent-encoded."""

DEEPEST = 200
"""Levels of folders that are gone down to: no Jenkins has so many, but an answer may say so."""

MOST_ASKED = 10_000
"""Folders that are asked for by themselves in one poll; the next poll asks deeper at once."""

MULTIBRANCH = "MultiBranchProject"
PIPELINE_JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"


class Item(Struct, frozen=True, gc=False):
    """One job as the item tree shows it. ``newest`` are its two newest builds, asked for in the
    first poll only: none where it has none, None where it was not asked."""

    full_name: str
    cls: str
    next_build_number: int
    multibranch: bool = False
    newest: tuple[BuildKey, ...] | None = None


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


async def fetch_items(client: JenkinsClient, depth: int | None, *, first: bool) -> ItemTree:
    """Every job of the controller. ``depth`` is what an earlier poll found, None in the first.

    One request, and one more for each folder deeper than ``depth``. Raises RemoteError when the
    top can't be read; a folder that can't be is reported in the result.
    """
    levels = min(depth or LEVELS, MOST_LEVELS)
    found = ItemTree()
    top = await client.items("", tree(levels, first=first))
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
            answer = await client.items(folder, tree(levels, first=first))
        except (NotFound, Unauthorized) as error:
            found.unread[folder] = str(error)
            continue
        deeper += walk(answer, found, at=level, folder=folder)
    return found


def tree(levels: int, *, first: bool) -> str:
    """The ``tree=`` of ``levels`` levels; below the last, a bare ``jobs`` shows what is left."""
    fields = "_class,fullName,nextBuildNumber" + (
        ",builds[number,timestamp,queueId]{0,2}" if first else ""
    )
    asked = "jobs"
    for _ in range(levels):
        asked = f"jobs[{fields},{asked}]"
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
            elif type(number := child["nextBuildNumber"]) is not int or not (
                0 < number <= MOST_BUILDS
            ):
                found.malformed += 1
            else:
                found.items[full_name] = Item(
                    full_name,
                    kind,
                    number,
                    multibranch,
                    _keys(child["builds"]) if "builds" in child else None,
                )
    return deeper


def _keys(builds: Any) -> tuple[BuildKey, ...] | None:
    if not isinstance(builds, list) or not all(isinstance(build, dict) for build in builds):
        return None
    return tuple(
        BuildKey(
            within(build.get("number"), MOST_BUILDS),
            within(build.get("timestamp"), LAST_MS),
            within(build.get("queueId"), LONG),
        )
        for build in builds
    )


async def in_multibranch(client: JenkinsClient, full_name: str) -> bool:
    """Whether the job is a branch of a multibranch project. Raises RemoteError."""
    parent = full_name.rpartition("/")[0]
    if not parent:
        return False
    answer = await client.items(parent, "name")
    return isinstance(answer, dict) and str(answer.get("_class") or "").endswith(MULTIBRANCH)
