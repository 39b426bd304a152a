"""The builds and stage trees of one job with news: about one request each, not ten a build."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from poller import watermark
from poller.errors import BadAnswer, NotFound, RemoteError
from poller.jenkins.api import BUILDS_PER_PAGE, Api
from poller.jenkins.discovery import Item
from poller.jenkins.model import Build, StageTree
from poller.watermark import JobState, Mark

PIPELINE_RUN = "org.jenkinsci.plugins.workflow.job.WorkflowRun"
"""The one class of build that has stages; wfapi answers 404 for all others (measured)."""

NEWEST_RUNS = 10
"""``wfapi/runs`` always returns the ten newest (measured)."""

RUNS_WORTH_IT = 3
"""``runs`` makes Jenkins read ten flow graphs, ``describe`` one; ``runs`` saves round trips."""

Known = Callable[[JobState, Sequence[int]], set[tuple[int, int]]]


@dataclass(frozen=True)
class Failure:
    """A build that could not be had whole this time, and why."""

    build: Build
    why: str
    broken: bool = False


@dataclass
class Page:
    """A part of a job's news, to be recorded in one transaction; pages come oldest first.

    ``job`` may be a new generation. Every build ≤ ``examined`` is in this page, was in an earlier
    one, or is not due.
    """

    job: JobState
    examined: int
    next_build_number: int
    complete: list[tuple[Build, StageTree | None]] = field(default_factory=list)
    running: list[Build] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


async def collect(
    api: Api, item: Item, job: JobState, since: int, known: Known
) -> AsyncIterator[Page]:
    """All news of one job, page by page. ``since`` is epoch milliseconds.

    ``known(job, numbers)`` tells which (number, timestamp) the ledger has, of any generation.
    Raises RemoteError when the job's builds can't be had; what was yielded stays good.
    """
    newest = await _newest(api, item, job.mark, since)
    starts = {build.number: build.timestamp for build in newest}
    if watermark.recreated(job.mark, item.next_build_number, starts):
        job = next_generation(job)
        newest = await _newest(api, item, job.mark, since)
        starts = {build.number: build.timestamp for build in newest}
    next_number = max([item.next_build_number, *(number + 1 for number in starts)])
    heads = dict(starts)
    whole = watermark.reaches_back(starts, job.mark, since, BUILDS_PER_PAGE)
    if not whole:
        heads |= {head.number: head.timestamp for head in await api.heads(item.full_name)}
    due = watermark.due(job.mark, heads, since)
    if job.generation:
        due = unknown(due, heads, known(job, due))
    old, gone = await _in_flight_before(api, item, job.mark, min(starts, default=1), starts)

    by_number = {build.number: build for build in newest} | {build.number: build for build in old}
    places = {number: place for place, number in enumerate(sorted(heads, reverse=True))}
    numbers = sorted({*due, *(build.number for build in old)})
    chunks = [numbers[i : i + BUILDS_PER_PAGE] for i in range(0, len(numbers), BUILDS_PER_PAGE)]
    for chunk in chunks[:-1]:
        builds = await _chunk(api, item, chunk, by_number, places)
        page = await _page(api, item, job, builds, starts)
        page.examined = max(chunk[-1], job.mark.examined)
        page.next_build_number = page.examined + 1
        yield page
    last = await _chunk(api, item, chunks[-1], by_number, places) if chunks else []
    page = await _page(api, item, job, last, starts)
    page.examined, page.next_build_number, page.gone = next_number - 1, next_number, gone
    yield page


def next_generation(job: JobState) -> JobState:
    """The job after it was created anew: its numbers go on, at SEI, after the last one it used."""
    used = max((job.mark.next_build_number or 1) - 1, *(job.mark.newest or (0,))[:1])
    return dataclasses.replace(
        job, generation=job.generation + 1, base=job.base + used, mark=Mark()
    )


def unknown(
    due: Iterable[int], started: dict[int, int], recorded: set[tuple[int, int]]
) -> list[int]:
    """Those of ``due`` that no generation has yet: a restored Jenkins shows old builds again."""
    return [number for number in due if (number, started.get(number, 0)) not in recorded]


async def _newest(api: Api, item: Item, mark: Mark, since: int) -> list[Build]:
    """The newest builds, as far back as is due, newest first; at most 100."""
    asked = watermark.count_to_ask(mark, item.next_build_number, BUILDS_PER_PAGE)
    while True:
        builds = await api.builds(item.full_name, asked)
        starts = {build.number: build.timestamp for build in builds}
        if asked >= BUILDS_PER_PAGE or watermark.reaches_back(starts, mark, since, asked):
            return builds
        # Builds began since the tree was asked, and pushed the oldest out of the range.
        asked = min(asked * 2, BUILDS_PER_PAGE)


async def _in_flight_before(
    api: Api, item: Item, mark: Mark, lowest: int, present: Iterable[int]
) -> tuple[list[Build], list[int]]:
    """The builds in flight that lie before those asked for, each by its number; and those gone."""
    gone = watermark.gone(mark, set(present), lowest)
    found: list[Build] = []
    for number in sorted(number for number in mark.in_flight if number < lowest):
        try:
            found.append(await api.build(item.full_name, number))
        except NotFound:
            gone.append(number)
    return found, gone


async def _chunk(
    api: Api,
    item: Item,
    numbers: Sequence[int],
    by_number: dict[int, Build],
    places: dict[int, int],
) -> list[Build]:
    """The builds of ``numbers``, oldest first: those at hand, and one request for the rest."""
    missing = [number for number in numbers if number not in by_number]
    if missing:
        first, last = places[missing[-1]], places[missing[0]] + 1
        for build in await api.page(item.full_name, first, last):
            by_number.setdefault(build.number, build)
        for number in missing:
            if number not in by_number:
                # A build began or was deleted in between and moved the places.
                try:
                    by_number[number] = await api.build(item.full_name, number)
                except NotFound:
                    continue
    return [by_number.pop(number) for number in numbers if number in by_number]


async def _page(
    api: Api, item: Item, job: JobState, builds: Sequence[Build], newest: dict[int, int]
) -> Page:
    page = Page(job, job.mark.examined, job.mark.examined + 1)
    finished: list[Build] = []
    for build in builds:
        if not build.completed:
            page.running.append(build)
        elif build.broken:
            page.failed.append(Failure(build, "Jenkins could not load it whole", broken=True))
        else:
            finished.append(build)
    for build, tree in zip(finished, await _stage_trees(api, item, finished, newest), strict=True):
        if isinstance(tree, RemoteError):
            page.failed.append(Failure(build, str(tree)))
        else:
            page.complete.append((build, tree))
    return page


async def _stage_trees(
    api: Api, item: Item, builds: Sequence[Build], newest: dict[int, int]
) -> list[StageTree | RemoteError | None]:
    """The stage tree of each build, None where there is none, or why it could not be had."""
    ten = sorted(newest, reverse=True)[:NEWEST_RUNS]
    pipelines = {build.number for build in builds if build.cls == PIPELINE_RUN}
    at_once: dict[int, StageTree] = {}
    if len(pipelines.intersection(ten)) >= RUNS_WORTH_IT:
        try:
            trees = await api.ten_stage_trees(item.full_name)
            at_once = {int(tree.id): tree for tree in trees if tree.id.isdecimal()}
        except (BadAnswer, NotFound):
            pass  # one bad tree spoils the answer for ten: ask for each alone

    async def one(number: int) -> StageTree | RemoteError | None:
        if number not in pipelines:
            return None
        if number in at_once:
            return at_once[number]
        try:
            return await api.stage_tree(item.full_name, number)
        except NotFound:
            return None
        except RemoteError as error:
            return error

    return await asyncio.gather(*(one(build.number) for build in builds))
