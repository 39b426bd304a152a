"""Jenkins against the ledger, build by build, whatever the progress of the polls."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import pairwise

from poller.core.errors import NotFound, RemoteError, is_away
from poller.core.patterns import Globs
from poller.core.times import is_before, iso
from poller.http.throttle import RateLimit
from poller.jenkins.history import Summary, summaries
from poller.jenkins.item import Item
from poller.ledger.controllers import ControllerRow
from poller.ledger.reconciliation import LedgerEntry
from poller.ledger.records import REOPENED, JobState, PendingKind
from poller.polling.absence import promised_number
from poller.polling.collect import collect
from poller.polling.controller import Controller
from poller.polling.history import Scope
from poller.polling.recording import record, unfinished
from poller.polling.verify_controller import ensure_reachable, verified_items

PART = 1000
"""Builds that are compared at once."""

SLACK_MS = 5_000
"""A build that ended so short before the last poll began may not have been seen by it."""


@dataclass(frozen=True)
class Difference:
    """A build that Jenkins has completed and the ledger has not settled, or has with other values.

    ``differs`` says the latter. ``entry`` is the ledger's id of the build, None where it has none.
    ``waits``: the polls look for it again by themselves.
    """

    job: str
    number: int
    why: str
    differs: bool = False
    entry: int | None = None
    waits: bool = False


@dataclass
class JobComparison:
    """One job compared: how many of its completed builds, how many of them are ``missing``, and
    how many of those the polls look for again by themselves (``waiting``).

    ``lowest_hole`` is the lowest number that has to be collected; ``differing`` builds differ at
    Jenkins, and ``to_send_again`` are the ledger's ids of those for which that is some use, as
    ``to_reopen`` are of the missing ones that it has; ``problem`` is why the job could not be
    compared.
    """

    item: Item
    builds: int = 0
    missing: int = 0
    waiting: int = 0
    lowest_hole: int | None = None
    differing: int = 0
    to_send_again: list[int] = field(default_factory=list)
    to_reopen: list[int] = field(default_factory=list)
    problem: str | None = None

    def note(self, difference: Difference) -> None:
        """Count a difference, but for one that no repair can change: a shift."""
        if difference.differs:
            if difference.entry is not None:
                self.differing += 1
                self.to_send_again.append(difference.entry)
            return
        self.missing += 1
        self.waiting += difference.waits
        if not difference.why.startswith(QUEUED) and not difference.waits:
            if difference.entry is not None:
                self.to_reopen.append(difference.entry)
            self.lowest_hole = min(self.lowest_hole or difference.number, difference.number)


class Shifts:
    """Whether one job's builds are numbered at SEI as those of two: at the lowest of them, a list
    that was old made it look created anew. Nothing can be sent again for it, as SEI keeps a run
    under its first number."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._runs: list[tuple[int, int]] = []
        """Newest first, of builds in a row with one shift: the lowest number, and the shift."""

    def note(self, entries: Iterable[LedgerEntry]) -> None:
        """More builds of the job, which are older."""
        for entry in sorted(entries, key=lambda entry: -entry.key.number):
            if entry.shift is not None:
                if self._runs and self._runs[-1][1] == entry.shift:
                    self._runs.pop()
                self._runs.append((entry.key.number, entry.shift))

    def difference(self) -> Difference | None:
        """The first build that goes on after another job's, None where there is none."""
        for (number, shift), (_, before) in reversed([*pairwise(self._runs)]):
            if shift > before:
                why = f"#{number + shift} at SEI, as if its job were another one from here on"
                why += "; it stays so, nothing is to be done"
                return Difference(self._job, number, why, differs=True)
        return None


QUEUED = "queued for "


async def reconcile(
    controller: Controller,
    names: Callable[[dict[str, Item]], Sequence[str]],
    since: int | None,
    pace: RateLimit,
    on_difference: Callable[[Difference], None],
) -> AsyncIterator[JobComparison]:
    """Compare the jobs that ``names`` chooses out of the item tree, one after the other, no faster
    than ``pace``; differences are reported as they come, and not kept. ``since`` (epoch ms) None is
    where the controller's ledger begins. Raises RemoteError where the tree can't be had, or where
    the controller is down by now; that a job can't be had is in its :class:`JobComparison`."""
    row, ledger = controller.row(), controller.ledger
    since = row.since if since is None else since
    await ensure_reachable(controller)
    tree = await verified_items(controller, row)
    unseen = await _unseen(controller, row)
    for name in names(tree.items):
        item = tree.items.get(name)
        job = ledger.jobs.states(row.id, name).get(name, JobState(name))
        promised = 0 if item is None else promised_number(job.progress, item.next_build_number)
        if item is None or not promised:
            continue
        comparison, shifts = JobComparison(item), Shifts(name)
        try:
            await pace.wait()
            found = await summaries(controller.client, name, since, promised)
            for at in range(0, len(found), PART):
                done = [one for one in found[at : at + PART] if is_due(one, unseen)]
                entries = ledger.reconciliation.entries(row.id, job, [one.key for one in done])
                shifts.note(entries)
                comparison.builds += len(done)
                for difference in compared(job, done, entries, controller.clock(), since):
                    comparison.note(difference)
                    on_difference(difference)
            if (shifted := shifts.difference()) and ledger.jobs.shifted(job.id):
                comparison.note(shifted)
                on_difference(shifted)
        except NotFound:
            continue  # deleted since the tree was asked
        except RemoteError as error:
            if is_away(error):
                raise
            comparison.problem = str(error)
        if job.id:  # one that can't be compared has had its turn, too
            checked = partial(ledger.reconciliation.record_check, job.id, controller.clock())
            await ledger.when_free(checked)
        yield comparison


async def _unseen(controller: Controller, row: ControllerRow) -> range:
    """When a build has ended that the last poll may not have seen, by Jenkins' own clock, as its
    starts are: no clock is compared with another."""
    now = controller.clock()
    jenkins_now = server_time(await controller.client.headers()) or now
    polled = jenkins_now - max(0, now - (row.poll_began or now))
    return range(polled - SLACK_MS + 1, jenkins_now + SLACK_MS)


def server_time(headers: Mapping[str, str]) -> int | None:
    """The ``Date`` of an answer in epoch milliseconds, None where it has none."""
    try:
        return int(parsedate_to_datetime(headers.get("Date", "")).timestamp() * 1000)
    except (TypeError, ValueError):
        return None


def is_due(build: Summary, unseen: range) -> bool:
    """Whether the ledger has to have a build: it is completed, and did not end within ``unseen``.
    One that seems to end in the future had a wrong clock, and has ended who knows when."""
    return build.completed and build.timestamp + max(0, build.duration) not in unseen


def selected(controller: Controller, globs: Globs) -> Callable[[dict[str, Item]], Sequence[str]]:
    """Chooses every job that both the controller's globs and ``globs`` select, by name."""
    return lambda items: sorted(
        name for name in items if controller.globs.selects(name) and globs.selects(name)
    )


def compared(
    job: JobState,
    builds: Iterable[Summary],
    entries: Iterable[LedgerEntry],
    now: int,
    since: int = 0,
) -> list[Difference]:
    """What is not settled of completed builds, and what Jenkins says otherwise. Pure."""
    by_number = {entry.key.number: entry for entry in entries}
    differences = []
    for build in builds:
        entry = by_number.get(build.number)
        why, differs = _why(build, entry)
        if not why:
            continue
        pending = job.progress.pending.get(build.number)
        if pending is not None and not differs:
            why = f"{WAITS[pending.kind]}, tried again at {iso(pending.retry_at)}: {pending.why}"
        elif entry is None and now < job.retry_at:
            why = f"its job is put off until {iso(job.retry_at)}"
        elif entry is None and is_before(build.timestamp, since):
            why = "before `since` by its start, after it by its number"
        found = entry.id if entry is not None else None
        waits = pending is not None and not differs
        differences.append(Difference(job.full_name, build.number, why, differs, found, waits))
    return differences


WAITS: Mapping[PendingKind, str] = {
    "absent": "awaited",
    "incomplete": "incomplete",
    "preliminary": "about to end",
    "unreadable": "unreadable",
    "unfinished": "in flight",
}


def _why(build: Summary, entry: LedgerEntry | None) -> tuple[str, bool]:
    if entry is None:
        return f"unreadable: {build.unreadable}" if build.unreadable else "not in the ledger", False
    if entry.state == "in_flight":
        return "in flight in the ledger", False
    changed = _changed(build, entry)
    if entry.state == "skipped":
        if entry.reason in REOPENED:
            return f"skipped: {entry.reason}", False
        return (f"skipped: {entry.reason}; {changed}", False) if changed else ("", False)
    if entry.queued:
        return QUEUED + ", ".join(entry.queued), False
    return changed, bool(changed)


def _changed(build: Summary, entry: LedgerEntry) -> str:
    if not build.timestamp:  # it can't be read any more, or not whole
        return ""
    if (entry.result or "") != (build.result or ""):
        return f"result {build.result} at Jenkins, {entry.result} in the ledger"
    if entry.duration != build.duration:
        return f"{build.duration} ms at Jenkins, {entry.duration} ms in the ledger"
    return ""


async def collect_missing(
    controller: Controller, comparison: JobComparison, since: int | None = None
) -> int:
    """Collect the holes of a job through the same path as a poll, with its progress set back before
    the lowest. ``since`` is as for :func:`reconcile`. Returns how many builds were collected.
    Raises RemoteError."""
    lowest = comparison.lowest_hole
    if lowest is None:
        return 0
    row, item, count = controller.row(), comparison.item, 0
    name = item.full_name
    controller.ledger.reconciliation.reopen(comparison.to_reopen)
    job = controller.ledger.jobs.states(row.id, name).get(name, JobState(name))
    examined = min(job.progress.examined, lowest - 1)
    back = dataclasses.replace(job.progress, examined=examined, pending={})
    job = dataclasses.replace(job, progress=back)
    since = row.since if since is None else since
    async for page in collect(controller, item, job, Scope(row, since)):
        if page.job.generation == job.generation:
            # The job's own progress stays where the polls have brought it, and what they counted.
            page.examined, page.gaps = None, 0
            page.pending = {n: one for n, one in page.pending.items() if one.kind != "absent"}
        recorded = record(controller, item, page, row)
        count += recorded.collected
        if unfinished(page) or recorded.stale:
            break
    return count
