"""The builds and stage trees of one changed job: about one request each, not ten a build."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field

from poller.core.errors import NotFound
from poller.jenkins.build import Build
from poller.jenkins.build_pages import BuildPage, one_build
from poller.jenkins.client import BUILDS_PER_PAGE
from poller.jenkins.item import Item
from poller.ledger.records import JobState, Pending, PendingKind, Predecessor
from poller.mapping.evidence import EnrichedBuild
from poller.polling.absence import WHY, merged
from poller.polling.controller import Controller
from poller.polling.enrich import EnrichFailure, enrich
from poller.polling.history import HistoryReader, JobHistory, Scope, read_history
from poller.polling.lineage import unsettled
from poller.polling.pending import another_look, is_due
from poller.polling.watermark import due_numbers, gaps


@dataclass
class CollectedPage:
    """A part of a job's new builds, to be recorded in one transaction; pages come oldest first.

    ``job`` may be a new generation, which goes on with ``source``. Every build ≤ ``examined`` is
    in this page, was in an earlier one, or is not due; ``gaps`` of the numbers up to there have no
    build. ``examined`` is None where it is not to move.

    ``failed`` are builds that lack something: those in ``pending`` are asked for again, as are
    other numbers there; the others had their tries. ``resolved`` are no longer pending.
    """

    job: JobState
    examined: int | None = None
    gaps: int = 0
    source: Predecessor | None = None
    complete: list[EnrichedBuild] = field(default_factory=list)
    running: list[Build] = field(default_factory=list)
    failed: list[EnrichFailure] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    pending: dict[int, Pending] = field(default_factory=dict)
    resolved: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class CollectPlan:
    """What of a job is to be collected: its ``history``, the ``numbers`` in ascending order; after
    all tries, the builds in flight that are ``gone``, and the numbers that no build has, ``lost``.

    What is missing after ``done`` are gaps; ``examined`` is up to where all is known at the end,
    None where that is not to be said yet.
    """

    history: JobHistory
    numbers: list[int]
    gone: list[int]
    lost: list[int]
    at_hand: BuildPage
    pending: dict[int, Pending]
    done: int
    examined: int | None

    @property
    def job(self) -> JobState:
        """The job as it goes on."""
        return self.history.job


async def collect(
    controller: Controller, item: Item, job: JobState, scope: Scope
) -> AsyncIterator[CollectedPage]:
    """All new builds of one job, page by page. Raises RemoteError when the job's builds can't be
    had; what was yielded stays good."""
    planned = await make_plan(controller, item, job, scope)
    done, progress = planned.done, planned.job.progress
    async for numbers, page in pages(controller, item, planned, scope):
        if last := not numbers or numbers[-1] == planned.numbers[-1]:
            page.examined = planned.examined
        elif planned.examined is not None:
            page.examined = max(numbers[-1], progress.examined)
        there = {*planned.history.keys, *planned.gone, *planned.pending, *page.unreadable}
        if page.examined is not None:
            page.gaps = gaps(done, page.examined, there)
            done = max(done, page.examined)
        if last:
            page.gone = planned.gone
            page.pending |= planned.pending
            page.gaps += sum(number <= planned.done for number in planned.lost)
            page.resolved += [*planned.gone, *planned.lost]
        yield page


async def make_plan(controller: Controller, item: Item, job: JobState, scope: Scope) -> CollectPlan:
    """Read the history as far back as is due, and choose what to collect. Raises RemoteError."""
    history = await read_history(controller, item, job, scope)
    progress, absence, now = history.job.progress, history.absence, controller.clock()
    due = due_numbers(progress, history.keys, scope.begin(history.job, now))
    known = controller.ledger.builds.same(
        scope.row.id, history.job, [history.keys[number] for number in due]
    )
    due = unsettled(due, history.keys, known)
    old, lost, absent = await _in_flight_before(controller, item, history, scope)
    at_hand = merged(history.newest, old)
    later = {
        number
        for number, pending in progress.pending.items()
        if pending.kind != "absent" and not is_due(pending, now)
    }
    waiting = set(history.newest.unreadable) & set(
        range(progress.examined + 1, absence.covered + 1)
    )
    numbers = {*due, *(build.number for build in old.builds), *old.unreadable, *waiting}
    believed = {*absence.believed, *lost}
    known_before = progress.next_build_number is not None or history.source is not None
    first = progress.next_build_number is None and not progress.examined
    held = first and absence.covered < item.next_build_number - 1 and bool(absence.pending)
    return CollectPlan(
        history,
        sorted(numbers - later),
        [number for number in believed if number in progress.in_flight],
        [number for number in believed if number not in progress.in_flight],
        at_hand,
        {**absence.pending, **absent},
        progress.examined if known_before else min(due, default=absence.covered + 1) - 1,
        None if held else absence.covered,
    )


async def pages(
    controller: Controller, item: Item, plan: CollectPlan, scope: Scope
) -> AsyncIterator[tuple[list[int], CollectedPage]]:
    """The builds of a plan, a hundred at a time and oldest first; at least one page, if empty.

    Oldest first, as log rotation takes the oldest first, too. The pages move no job's progress.
    """
    full_name = item.full_name
    reader = HistoryReader(controller.client, full_name, plan.history.keys, plan.at_hand)
    newest = [build.number for build in plan.history.newest.builds]
    for numbers in in_pages(plan.numbers):
        read = await reader.builds(numbers)
        page = CollectedPage(plan.job, source=plan.history.source)
        completed = []
        for build in read.builds:
            if not build.completed:
                page.running.append(build)
                _await_end(page, item, build, scope, controller.clock())
            elif not _is_preliminary(page, full_name, build, scope, controller.clock()):
                completed.append(build)
        enriched = await enrich(
            controller,
            full_name,
            BuildPage(completed, read.faults, {}),
            newest,
            plan.job.progress.pending,
        )
        for one in enriched:
            if isinstance(one, EnrichFailure):
                page.failed.append(one)
            else:
                page.complete.append(one)
        _settle(page, numbers, read, plan.history.again, controller.clock())
        yield numbers, page


def in_pages(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers, a hundred at a time; one empty page where there are none."""
    every = list(numbers)
    steps = range(0, len(every), BUILDS_PER_PAGE)
    return [every[i : i + BUILDS_PER_PAGE] for i in steps] or [[]]


def _await_end(page: CollectedPage, item: Item, build: Build, scope: Scope, now: int) -> None:
    """A build in flight on no executor, as one that hangs after a restart: it is looked at again,
    ever later, and holds nobody up. One that the counter does not count yet began since the
    executors were asked."""
    began_since = build.number >= item.next_build_number
    if scope.running is None or began_since or scope.runs(item.full_name, build.number):
        return
    before = page.job.progress.pending.get(build.number)
    why = "it has not ended, and holds no executor"
    again = another_look(before, "unfinished", why, now)
    if again is not None:
        page.pending[build.number] = again


def _is_preliminary(
    page: CollectedPage, full_name: str, build: Build, scope: Scope, now: int
) -> bool:
    """Whether to look again before the record of a build that has ended is believed: it may be of
    its last moments, when its result still changes. A build that was killed then stays so for ever,
    and is believed after some looks."""
    runs = scope.runs(full_name, build.number)
    before = page.job.progress.pending.get(build.number)
    # What lacks something was believed before; with looks of both kinds in turn none would end.
    believed = build.broken or (before is not None and before.kind == "incomplete")
    if believed or not (build.preliminary or runs):
        return False
    # While it holds an executor, a record without a duration is surely not the last.
    counts = not (build.preliminary and runs)
    again = another_look(before, "preliminary", "it is about to end", now, counts=counts)
    if again is None:
        return False
    page.pending[build.number] = again
    page.running.append(build)
    return True


def _settle(
    page: CollectedPage, numbers: list[int], read: BuildPage, had_looks: Collection[int], now: int
) -> None:
    """Decide which of a page's builds are asked for again. Those that ``had_looks`` already are not
    while they are as bad as then: else two of a job would keep each other's looks going."""
    before = page.job.progress.pending
    done = set(had_looks).difference(before)
    for failure in page.failed:
        number = failure.build.number
        if failure.broken and number in done:
            continue
        kind: PendingKind = "unreadable" if failure.broken else "incomplete"
        again = another_look(before.get(number), kind, failure.why, now, counts=failure.counts)
        if again is not None:
            page.pending[number] = again
    unended = [b.number for b in page.running if read.faults.get(b.number)]
    for number in [*(n for n in numbers if n in read.unreadable), *unended]:
        why = read.unreadable.get(number) or read.faults[number].why
        again = another_look(before.get(number), "unreadable", why, now)
        if again is None or number in done:
            page.unreadable.append(number)
            page.pending.pop(number, None)  # with looks for two reasons in turn none would end
        else:
            page.pending[number] = again
    page.running = [build for build in page.running if build.number not in page.unreadable]
    page.resolved = [n for n in numbers if n in before and n not in page.pending]


async def _in_flight_before(
    controller: Controller, item: Item, history: JobHistory, scope: Scope
) -> tuple[BuildPage, list[int], dict[int, Pending]]:
    """The builds in flight that lie before the newest, each by its number; those gone, and those
    that are looked for again. Not asked for is what runs or waits; but what is due, also where it
    still holds an executor: else its looks would never end."""
    progress, now = history.job.progress, controller.clock()
    lowest = min((build.number for build in history.newest.builds), default=1)
    found, gone, absent = BuildPage([], {}, {}), list[int](), dict[int, Pending]()
    for number in sorted(n for n in {*progress.in_flight, *progress.pending} if n < lowest):
        before = progress.pending.get(number)
        if not is_due(before, now) if before else scope.runs(item.full_name, number):
            continue
        try:
            found = merged(found, await one_build(controller.client, item.full_name, number))
        except NotFound:
            again = another_look(before, "absent", WHY, now)
            if again is None:
                gone.append(number)
            else:
                absent[number] = again
    return found, gone, absent
