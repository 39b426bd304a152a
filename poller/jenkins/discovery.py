"""The change feed: which jobs have something new, for two requests that load no build.

``nextBuildNumber`` is the one counter that Jenkins answers without loading a build from disk;
which builds run now is the other half.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from poller.errors import BadAnswer, NotFound, RemoteError, Unauthorized
from poller.jenkins.api import Api
from poller.jenkins.model import LAST_MS, MOST_BUILDS
from poller.jenkins.paths import build_of_url, is_name
from poller.watermark import JobState, Start

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


Builds = frozenset[tuple[str, int]]
"""Full name, in lower case, and number of each."""


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
    return Start(
        _within(number, MOST_BUILDS), _within(timestamp, LAST_MS), _within(queue_id, 2**63 - 1)
    )


def _within(value: Any, most: int) -> int:
    return value if isinstance(value, int) and 0 < value <= most else 0


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
        urls = await api.running()
    except (NotFound, Unauthorized):
        return Running(None)
    except RemoteError:
        return Running(None, passing=True)
    return Running(frozenset(named_builds(urls, api.root)))


def believed(told: Running, jobs: Iterable[JobState], chance: float) -> Builds | None:
    """The builds that are held to run: where Jenkins did not tell this time, all those in flight
    but those of one job, so that a fault does not cost one request for each. ``chance`` in [0, 1)
    says of which."""
    if not told.passing:
        return told.builds
    in_flight = [job for job in jobs if job.mark.in_flight]
    left_out = int(chance * len(in_flight))
    return frozenset(
        (job.full_name.lower(), number)
        for place, job in enumerate(in_flight)
        if place != left_out
        for number in job.mark.in_flight
    )


def named_builds(urls: Iterable[str], root: str) -> Iterator[tuple[str, int]]:
    """Full name in lower case and number of each URL that is a build's."""
    for url in urls:
        if (build := build_of_url(url, root)) is not None:
            yield build[0].lower(), build[1]


def has_news(
    item: Item,
    recorded: int | None,
    in_flight: Iterable[int],
    running_now: frozenset[tuple[str, int]] | None,
) -> bool:
    """Whether to ask the job: its counter moved, or a build in flight is not among those that run.

    ``recorded`` is the ``nextBuildNumber`` of the last collection, None for a job never seen.
    """
    if recorded != item.next_build_number:
        return True
    if running_now is None:
        return any(True for _ in in_flight)
    name = item.full_name.lower()
    return any((name, number) not in running_now for number in in_flight)


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
