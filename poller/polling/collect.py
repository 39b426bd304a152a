"""The builds and stage trees of one changed job: about one request each, not ten a build."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from poller.core.build_key import BuildKey
from poller.core.errors import NotFound
from poller.core.tasks import together
from poller.jenkins.build import Build
from poller.jenkins.build_pages import builds_at, newest_builds, whole, whole_build
from poller.jenkins.client import BUILDS_PER_PAGE, JenkinsClient
from poller.jenkins.discovery import Item
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobProgress, JobState, Predecessor
from poller.mapping.evidence import EnrichedBuild
from poller.polling.controller import Controller
from poller.polling.enrich import EnrichFailure, enrich
from poller.polling.lineage import is_recreated, start_generation, unsettled
from poller.polling.watermark import (
    count_to_ask,
    covered_number,
    due_numbers,
    gaps,
    gone_numbers,
    reaches_back,
)

LOADS_WORTH_A_REQUEST = 50
"""Builds that Jenkins may have to load to spare it one more request."""


@dataclass
class CollectedPage:
    """A part of a job's new builds, to be recorded in one transaction; pages come oldest first.

    ``job`` may be a new generation, which goes on with ``source``. Every build ≤ ``examined`` is
    in this page, was in an earlier one, or is not due; ``gaps`` of the numbers up to there have no
    build. ``examined`` is None where it is not to move.
    """

    job: JobState
    examined: int | None = None
    gaps: int = 0
    source: Predecessor | None = None
    complete: list[EnrichedBuild] = field(default_factory=list)
    running: list[Build] = field(default_factory=list)
    failed: list[EnrichFailure] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class CollectPlan:
    """What of a job is to be collected: its state, the ``numbers`` in ascending order, and the
    builds in flight that are ``gone``.

    ``keys`` are of all builds that may be due, ``newest`` those at hand; ``covered`` is the highest
    number up to which this is all that there is, and what is missing after ``done`` are gaps.
    """

    job: JobState
    source: Predecessor | None
    numbers: list[int]
    gone: list[int]
    keys: dict[int, BuildKey]
    newest: dict[int, Build]
    at_hand: dict[int, Build]
    covered: int
    done: int


async def collect(
    controller: Controller,
    row: ControllerRow,
    item: Item,
    job: JobState,
    since: int,
    missing: Mapping[int, JobState],
) -> AsyncIterator[CollectedPage]:
    """All new builds of one job, page by page. ``since`` is epoch milliseconds.

    ``missing`` are the jobs, by id, that the item tree no longer shows as they were: one that seems
    new may be one of them, renamed. Raises RemoteError when the job's builds can't be had; what was
    yielded stays good.
    """
    planned = await make_plan(controller, row, item, job, since, missing)
    done = planned.done
    async for numbers, page in pages(controller, item.full_name, planned):
        last = not numbers or numbers[-1] == planned.numbers[-1]
        page.examined = planned.covered if last else max(numbers[-1], planned.job.progress.examined)
        page.gaps = gaps(done, page.examined, {*planned.keys, *planned.gone})
        page.gone = planned.gone if last else []
        done = max(done, page.examined)
        yield page


async def make_plan(
    controller: Controller,
    row: ControllerRow,
    item: Item,
    job: JobState,
    since: int,
    missing: Mapping[int, JobState],
) -> CollectPlan:
    """Read the history as far back as is due, and choose what to collect."""
    history = await _history(controller, row, item, job, since, missing)
    progress = history.job.progress
    due = due_numbers(progress, history.keys, since)
    known = controller.ledger.builds.same(
        row.id, history.job, [history.keys[number] for number in due]
    )
    due = unsettled(due, history.keys, known)
    old, gone = await _in_flight_before(controller.client, item, progress, history.newest)
    known_before = progress.next_build_number is not None or history.source is not None
    done = progress.examined if known_before else min(due, default=history.covered + 1) - 1
    return CollectPlan(
        history.job, history.source, sorted({*due, *old}), gone,
        history.keys, history.newest, {**history.newest, **old}, history.covered, done,
    )  # fmt: skip


async def pages(
    controller: Controller, full_name: str, plan: CollectPlan
) -> AsyncIterator[tuple[list[int], CollectedPage]]:
    """The builds of a plan, a hundred at a time and oldest first; at least one page, if empty.

    Oldest first, as log rotation takes the oldest first, too. The pages move no job's progress.
    """
    reader = HistoryReader(controller.client, full_name, plan.keys, dict(plan.at_hand))
    for numbers in in_pages(plan.numbers):
        builds = await reader.builds(numbers)
        running = [build for build in builds if not build.completed]
        page = CollectedPage(plan.job, source=plan.source, running=running)
        completed = [build for build in builds if build.completed]
        for one in await enrich(controller, full_name, completed, plan.newest):
            if isinstance(one, EnrichFailure):
                page.failed.append(one)
            else:
                page.complete.append(one)
        yield numbers, page


@dataclass(frozen=True)
class JobHistory:
    """What of a job's history was read: its state, the newest builds at hand, the key of each
    build that may be due, and the highest number that this covers."""

    job: JobState
    source: Predecessor | None
    newest: dict[int, Build]
    keys: dict[int, BuildKey]
    covered: int


async def _history(
    controller: Controller,
    row: ControllerRow,
    item: Item,
    job: JobState,
    since: int,
    missing: Mapping[int, JobState],
) -> JobHistory:
    """Read it as far back as is due; find out whether the job is the one that is known."""
    before, source = job.progress, None
    client, known_builds = controller.client, controller.ledger.builds
    asked = _first_ask(item, job, missing)
    name = item.full_name
    builds = whole(client, name, await newest_builds(client, name, asked))
    keys = {build.number: build.key for build in builds}
    own = known_builds.of_job(job, keys) if job.id else []
    another = is_recreated(job, item.next_build_number, item.cls, keys, own)
    if another or before.next_build_number is None:
        known = known_builds.same(row.id, job, keys.values())
        job, source = start_generation(job, keys, known, missing, another=another)
    while asked < BUILDS_PER_PAGE and not reaches_back(keys, job.progress, since, asked):
        # The last build examined may lie further back than was asked, or builds that began since
        # the tree was asked have pushed the oldest out of the range.
        needed = count_to_ask(job.progress, item.next_build_number, BUILDS_PER_PAGE)
        asked = min(max(asked * 2, needed), BUILDS_PER_PAGE)
        builds = whole(client, name, await newest_builds(client, name, asked))
        keys = {build.number: build.key for build in builds}
    covered = covered_number(item.next_build_number, before, keys, another=another)
    if not reaches_back(keys, job.progress, since, asked):
        keys |= {head.number: head for head in await client.heads(item.full_name)}
    return JobHistory(job, source, {build.number: build for build in builds}, keys, covered)


def _first_ask(item: Item, job: JobState, missing: Mapping[int, JobState]) -> int:
    """How many builds to ask first: of a job that may be a missing one, renamed, few, as Jenkins
    has to load each."""
    asked = count_to_ask(job.progress, item.next_build_number, BUILDS_PER_PAGE)
    if job.progress.next_build_number is None:
        nearest = max(
            (
                o.progress.highest_number
                for o in missing.values()
                if 0 < o.progress.highest_number < item.next_build_number
            ),
            default=0,
        )
        asked = min(asked, item.next_build_number - nearest)
    return max(1, asked)


def in_pages(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers, a hundred at a time; one empty page where there are none."""
    every = list(numbers)
    steps = range(0, len(every), BUILDS_PER_PAGE)
    return [every[i : i + BUILDS_PER_PAGE] for i in steps] or [[]]


async def _in_flight_before(
    client: JenkinsClient, item: Item, progress: JobProgress, newest: Collection[int]
) -> tuple[dict[int, Build], list[int]]:
    """The builds in flight that lie before ``newest``, each by its number; and those gone."""
    lowest = min(newest, default=1)
    gone = gone_numbers(progress, newest, lowest)
    found: dict[int, Build] = {}
    for number in sorted(number for number in progress.in_flight if number < lowest):
        try:
            found[number] = await whole_build(client, item.full_name, number)
        except NotFound:
            gone.append(number)
    return found, gone


class HistoryReader:
    """Goes through a job's history by numbers, ascending: those at hand, and one request for a
    page of the others. ``keys`` are all builds that the job has, as far as it is read."""

    def __init__(
        self,
        client: JenkinsClient,
        full_name: str,
        keys: Iterable[int],
        at_hand: dict[int, Build],
    ) -> None:
        self._client = client
        self._full_name = full_name
        self._at_hand = at_hand
        self._places = {number: at for at, number in enumerate(sorted(keys, reverse=True))}

    async def builds(self, numbers: Sequence[int]) -> list[Build]:
        """The builds of ``numbers`` that are still there."""
        missing = [number for number in numbers if number not in self._at_hand]
        if missing:
            if worth_a_page(len(self._places), len(missing)):
                first, last = self._places[missing[-1]], self._places[missing[0]] + 1
                page = await builds_at(self._client, self._full_name, first, last)
                for build in whole(self._client, self._full_name, page):
                    self._at_hand.setdefault(build.number, build)
            # A build may have started or been deleted in between, and moved the places.
            left = [number for number in missing if number not in self._at_hand]
            await together(self._one(number) for number in left)
        return [self._at_hand.pop(number) for number in numbers if number in self._at_hand]

    async def _one(self, number: int) -> None:
        with contextlib.suppress(NotFound):
            self._at_hand[number] = await whole_build(self._client, self._full_name, number)


def worth_a_page(history: int, wanted: int) -> bool:
    """Whether one request for a page beats one a build: for a page, Jenkins loads the job's whole
    history, some 0.2 ms a build (measured)."""
    return history <= LOADS_WORTH_A_REQUEST * wanted
