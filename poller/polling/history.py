"""A job's builds as Jenkins tells them now, read as far back as is due."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from poller.core.build_key import BuildKey
from poller.core.errors import NotFound
from poller.core.tasks import together
from poller.jenkins.build_pages import BuildPage, builds_at, newest_builds, one_build
from poller.jenkins.client import BUILDS_PER_PAGE, JenkinsClient
from poller.jenkins.item import Item
from poller.jenkins.running_builds import RunningBuilds
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobState, Predecessor
from poller.polling.absence import Absence, look_for_absent, merged
from poller.polling.controller import Controller
from poller.polling.lineage import is_another, replaced, start_generation
from poller.polling.watermark import count_to_ask, covered_number, reaches_back

LOADS_WORTH_A_REQUEST = 50
"""Builds that Jenkins may have to load to spare it one more request."""


@dataclass(frozen=True)
class Scope:
    """What a collection goes by.

    ``since`` (epoch ms): all builds from there are due, whatever was examined; None: what is new.
    ``missing`` are the jobs, by id, that the item tree no longer shows as they were: a job that
    seems new may be one of them, renamed. ``running`` are the builds that ran just before; None
    where Jenkins does not say.
    """

    row: ControllerRow
    since: int | None = None
    missing: Mapping[int, JobState] = field(default_factory=dict)
    running: RunningBuilds | None = None

    def begin(self, job: JobState, now: int) -> int | None:
        """Where the walk through a job's history begins: None for all that was not examined."""
        first = job.progress.next_build_number is None and not job.progress.examined
        if self.since is None and (first or self.row.since > now):
            return self.row.since
        return self.since

    def runs(self, full_name: str, number: int) -> bool:
        """Whether a build held an executor just before."""
        return self.running is not None and (full_name.lower(), number) in self.running


@dataclass(frozen=True)
class JobHistory:
    """What of a job's history was read: its state, the newest builds at hand with what is wrong
    with them, the key of each build that may be due, and what is absent from it. ``again`` were
    skipped for a reason that may prove wrong, and are there."""

    job: JobState
    source: Predecessor | None
    newest: BuildPage
    keys: dict[int, BuildKey]
    absence: Absence
    again: Collection[int] = ()


async def read_history(
    controller: Controller, item: Item, job: JobState, scope: Scope
) -> JobHistory:
    """Read it as far back as is due; find out whether the job is the one that is known. Raises
    RemoteError."""
    before, source = job.progress, None
    client, known_builds = controller.client, controller.ledger.builds
    asked = _first_ask(item, job, scope.missing)
    page = await newest_builds(client, item.full_name, asked)
    keys = keys_of(page)
    own = known_builds.of_job(job, keys) if job.id else []
    another = is_another(job, keys, own)
    absence = Absence(covered_number(item.next_build_number, before, keys))
    if not another:
        absence = await look_for_absent(controller, item, job, page, asked)
        page = merged(page, absence.found)
        keys = keys_of(page)
        gone = replaced(job, keys, own)
        absence = replace(absence, believed={*absence.believed, *gone})
        if another := absence.restored:
            # What was used before says nothing of the numbers that are used now.
            covered = covered_number(item.next_build_number, before, keys)
            absence = Absence(covered, found=absence.found)
    if another or before.next_build_number is None:
        if not another and job.number_offset and len(keys) >= BUILDS_PER_PAGE:
            # It may have come back, with more builds under another name than were asked.
            keys |= {head.number: head for head in await client.heads(item.full_name)}
        known = known_builds.same(scope.row.id, job, keys.values())
        used = known_builds.highest_sent(job, before=job.generation + another)
        job, source = start_generation(job, keys, known, scope.missing, used, another=another)
    begin = scope.begin(job, controller.clock())
    while asked < BUILDS_PER_PAGE and not reaches_back(keys, job.progress, begin, asked):
        # The last build examined may lie further back than was asked, or builds that began since
        # the tree was asked have pushed the oldest out of the range.
        needed = count_to_ask(job.progress, item.next_build_number, BUILDS_PER_PAGE)
        asked = min(max(asked * 2, needed), BUILDS_PER_PAGE)
        page = merged(await newest_builds(client, item.full_name, asked), absence.found)
        keys = keys_of(page)
    if not reaches_back(keys, job.progress, begin, asked):
        keys |= {head.number: head for head in await client.heads(item.full_name)}
    if source is not None and source.moved:
        known_builds.note_resumed(source, keys.values())
    again = {one.key.number for one in own if one.reopened and one.generation == job.generation}
    progress = replace(job.progress, in_flight=job.progress.in_flight | again)
    return JobHistory(replace(job, progress=progress), source, page, keys, absence, again)


def keys_of(page: BuildPage) -> dict[int, BuildKey]:
    """The builds of a page by number."""
    return {build.number: build.key for build in page.builds}


def _first_ask(item: Item, job: JobState, missing: Mapping[int, JobState]) -> int:
    """How many builds to ask first: of a job that may be a missing one, renamed, few, as Jenkins
    has to load each; but of a name that was used before its own are needed, to know it again."""
    asked = count_to_ask(job.progress, item.next_build_number, BUILDS_PER_PAGE)
    if job.progress.next_build_number is None and not job.number_offset:
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


class HistoryReader:
    """Goes through a job's history by numbers, ascending: those at hand, and one request for a
    page of the others. ``keys`` are all builds that the job has, as far as it is read."""

    def __init__(
        self, client: JenkinsClient, full_name: str, keys: Iterable[int], at_hand: BuildPage
    ) -> None:
        self._client = client
        self._full_name = full_name
        self._at_hand = {build.number: build for build in at_hand.builds}
        self._faults = dict(at_hand.faults)
        self._unreadable = dict(at_hand.unreadable)
        self._places = {number: at for at, number in enumerate(sorted(keys, reverse=True))}

    async def builds(self, numbers: Sequence[int]) -> BuildPage:
        """The builds of ``numbers`` that are still there. Raises RemoteError."""
        missing = self._left(numbers)
        if missing and worth_a_page(len(self._places), len(missing)):
            first, last = self._places[missing[-1]], self._places[missing[0]] + 1
            self._take(await builds_at(self._client, self._full_name, first, last))
        # A build may have started or been deleted in between, and moved the places.
        await together(self._one(number) for number in self._left(numbers))
        found = [self._at_hand.pop(number) for number in numbers if number in self._at_hand]
        return BuildPage(
            found,
            {number: self._faults[number] for number in numbers if number in self._faults},
            {number: self._unreadable[number] for number in numbers if number in self._unreadable},
        )

    def _left(self, numbers: Sequence[int]) -> list[int]:
        return [n for n in numbers if n not in self._at_hand and n not in self._unreadable]

    def _take(self, page: BuildPage) -> None:
        for build in page.builds:
            self._at_hand.setdefault(build.number, build)
        self._faults.update(page.faults)
        self._unreadable.update(page.unreadable)

    async def _one(self, number: int) -> None:
        with contextlib.suppress(NotFound):
            self._take(await one_build(self._client, self._full_name, number))


def worth_a_page(history: int, wanted: int) -> bool:
    """Whether one request for a page beats one a build: for a page, Jenkins loads the job's whole
    history, some 0.2 ms a build (measured)."""
    return history <= LOADS_WORTH_A_REQUEST * wanted
