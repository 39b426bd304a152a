"""The change feed: which jobs have something new, for two requests that load no build.

``nextBuildNumber`` is the one counter that Jenkins answers without loading a build from disk;
which builds run now is the other half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from poller.errors import BadAnswer, NotFound, RemoteError, Unauthorized
from poller.jenkins.answers import Executable, within
from poller.jenkins.api import Api
from poller.jenkins.model import LAST_MS, LONG, MOST_BUILDS
from poller.jenkins.paths import build_of_url, is_name
from poller.watermark import JobState, Mark, Start

LEVELS = 4
"""Levels of the tree that are asked at once before the depth of a controller is known."""

MOST_LEVELS = 60
"""The URL must stay under 8 kB: a level costs some 60 characters, and is percent-encoded."""

DEEPEST = 200
"""Levels of folders that are gone down to: no Jenkins has so many, but an answer may say so."""

MOST_ASKED = 10_000
"""Folders that are asked for by themselves in one look; the next look goes deeper at once."""

MULTIBRANCH = "MultiBranchProject"
PIPELINE_JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"

FEW = 10
"""Jobs of a controller below which a list that shrank says nothing."""


class Item(Struct, frozen=True, gc=False):
    """One job as the item tree shows it. ``last`` is the newest build, asked for at the first look
    only: of number 0 where there is none, None where it was not asked."""

    full_name: str
    cls: str
    next_build_number: int
    multibranch: bool = False
    last: Start | None = None


@dataclass
class Look:
    """What one look at a controller's items gave.

    ``unread`` are folders that could not be read, with the reason; ``malformed`` counts the items
    that were not what Jenkins exports. ``depth`` is the number of levels that hold items.
    """

    items: dict[str, Item] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    malformed: int = 0
    depth: int = 1


Builds = Mapping[tuple[str, int], Start]
"""By full name, in lower case, and number. A start without a queue id is not that of the build."""


@dataclass(frozen=True)
class Running:
    """``builds`` that run now, None where Jenkins does not tell; ``passing``: this time only."""

    builds: Builds | None
    passing: bool = False


async def look(api: Api, depth: int | None, *, first: bool) -> Look:
    """Every job of the controller. ``depth`` is what an earlier look found, None at the first.

    One request, and one more for each folder deeper than ``depth``. Raises RemoteError when the
    top can't be read; a folder that can't be is reported in the result.
    """
    levels = min(depth or LEVELS, MOST_LEVELS)
    found = Look()
    top = await api.items("", tree(levels, first=first))
    if not isinstance(top, dict) or not isinstance(top.get("jobs"), list):
        raise BadAnswer(
            api.where, "item tree", "there are no jobs in it", "is the url Jenkins' own?"
        )
    deeper = walk(top, found)
    asked: set[str] = set()
    while deeper:
        folder, level = deeper.pop()
        if folder in asked:
            continue
        asked.add(folder)
        if len(asked) > MOST_ASKED:
            found.unread[folder] = f"{api.where}: {folder}: not asked for, there are too many"
            continue
        try:
            answer = await api.items(folder, tree(levels, first=first))
        except (NotFound, Unauthorized) as error:
            found.unread[folder] = str(error)
            continue
        deeper += walk(answer, found, at=level, folder=folder)
    return found


def tree(levels: int, *, first: bool) -> str:
    """The ``tree=`` of ``levels`` levels; below the last, a bare ``jobs`` shows what is left."""
    fields = "_class,fullName,nextBuildNumber" + (
        ",lastBuild[number,timestamp,queueId]" if first else ""
    )
    asked = "jobs"
    for _ in range(levels):
        asked = f"jobs[{fields},{asked}]"
    return asked


def walk(answer: Any, found: Look, *, at: int = 0, folder: str = "") -> list[tuple[str, int]]:
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
                    _start(child["lastBuild"]) if "lastBuild" in child else None,
                )
    return deeper


def _start(last: Any) -> Start:
    if not isinstance(last, dict):
        return Start(0, 0)
    number, timestamp, queue_id = (last.get(key) for key in ("number", "timestamp", "queueId"))
    return Start(within(number, MOST_BUILDS), within(timestamp, LAST_MS), within(queue_id, LONG))


async def in_multibranch(api: Api, full_name: str) -> bool:
    """Whether the job is a branch of a multibranch project. Raises RemoteError."""
    parent = full_name.rpartition("/")[0]
    if not parent:
        return False
    answer = await api.items(parent, "name")
    return isinstance(answer, dict) and str(answer.get("_class") or "").endswith(MULTIBRANCH)


async def running(api: Api) -> Running:
    """Which builds run now.

    Look-up in Jenkins ignores case and its URLs echo what was asked, so only the lower case of a
    URL is compared.
    """
    try:
        told = await api.running()
    except (NotFound, Unauthorized):
        return Running(None)
    except RemoteError:
        return Running(None, passing=True)
    return Running(named_builds(told, api.root))


def believed(told: Running, jobs: Iterable[JobState], chance: float) -> Builds | None:
    """The builds that are held to run: where Jenkins did not tell this time, all those in flight
    but those of one job, so that a fault does not cost one request for each. ``chance`` in [0, 1)
    says of which."""
    if not told.passing:
        return told.builds
    in_flight = [job for job in jobs if job.mark.in_flight]
    left_out = int(chance * len(in_flight))
    return {
        (job.full_name.lower(), number): Start(number, 0)
        for place, job in enumerate(in_flight)
        if place != left_out
        for number in job.mark.in_flight
    }


def named_builds(told: Iterable[Executable], root: str) -> Builds:
    """Those of what runs that have a build's address."""
    found: dict[tuple[str, int], Start] = {}
    for one in told:
        if (named := build_of_url(one.url, root)) is not None:
            build = (named[0].lower(), named[1])
            if one.queue_id or build not in found:
                found[build] = Start(named[1], one.timestamp, one.queue_id)
    return found


def has_news(item: Item, mark: Mark, running_now: Builds | None) -> bool:
    """Whether to ask the job: a build in flight is not among those that run, or its counter moved
    by others than builds that run. Those are asked for when the first of them ends."""
    if mark.next_build_number is None or item.next_build_number < mark.next_build_number:
        return True
    new = range(mark.next_build_number, item.next_build_number)
    if running_now is None:
        return bool(new or mark.in_flight)
    name = item.full_name.lower()
    return any((name, number) not in running_now for number in mark.in_flight) or any(
        (name, number) not in running_now or not running_now[name, number].queue_id
        for number in new
    )


def begun(item: Item, mark: Mark, running_now: Builds, since: int) -> list[Start]:
    """The builds that began since the job's last collection and run now, as far as they are ours
    and not known to be in flight. ``since`` is epoch milliseconds."""
    new = range(mark.next_build_number or item.next_build_number, item.next_build_number)
    if len(new) > len(running_now):
        return []  # a counter that was set: more numbers than builds
    name = item.full_name.lower()
    starts = (running_now.get((name, number)) for number in new if number not in mark.in_flight)
    return [start for start in starts if start and start.queue_id and start.timestamp >= since]


def unlike(at_rest: Mapping[str, int], look: Look) -> list[str]:
    """The jobs, by full name, that the item tree does not show with this ``nextBuildNumber``."""
    shown = look.items
    return [
        name
        for name, number in at_rest.items()
        if (item := shown.get(name)) is None or item.next_build_number != number
    ]


def lost(jobs: Iterable[JobState], look: Look) -> dict[int, JobState]:
    """The jobs, by id, that the item tree no longer shows as they were: not at all, or with a
    counter that went back. What lies in a folder that could not be read proves nothing."""
    return {
        job.id: job
        for job in jobs
        if job.mark.next_build_number is not None
        and _is_lost(job.mark.next_build_number, look.items.get(job.full_name))
        and not any(job.full_name.startswith(f"{folder}/") for folder in look.unread)
    }


def _is_lost(next_build_number: int, item: Item | None) -> bool:
    return item is None or item.next_build_number < next_build_number


def has_shrunk(jobs: int, before: int) -> bool:
    """Whether a look shows so few of the jobs of the one before that it is not to be believed at
    once: half a list, an empty one, or one cut down by a permission that was taken away."""
    return before >= FEW and jobs < before / 2
