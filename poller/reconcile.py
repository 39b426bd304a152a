"""Jenkins against the ledger, build by build, independent of every mark."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from poller.admit import admit
from poller.cycle import retry_delay
from poller.errors import NotFound, RemoteError
from poller.globs import Globs
from poller.jenkins import discovery
from poller.jenkins.collect import LedgerMemory, collect
from poller.jenkins.discovery import Item
from poller.jenkins.history import Summary, summaries
from poller.ledger import ControllerRow, Ledger
from poller.ledger.books import Entry
from poller.ledger.builds import GONE
from poller.rate import Pace
from poller.recognise import recognise
from poller.recording import batch, unfinished
from poller.watched import Watched
from poller.watermark import JobState

GRACE_MS = 120_000
"""Builds that ended so short before the last poll may not have been seen by it."""


@dataclass(frozen=True)
class Finding:
    """A build that Jenkins has completed and the ledger has not settled, or has otherwise.

    ``differs`` says the latter. ``entry`` is the ledger's id of the build, None where it has none.
    """

    job: str
    number: int
    why: str
    differs: bool = False
    entry: int | None = None


@dataclass
class Checked:
    """One job compared: how many of its completed builds, how many of them are ``missing``.

    ``lowest_hole`` is the lowest number that has to be collected; ``differing`` are the ledger's
    ids of builds that Jenkins tells otherwise; ``problem`` is why the job could not be compared.
    """

    item: Item
    builds: int = 0
    missing: int = 0
    lowest_hole: int | None = None
    differing: list[int] = field(default_factory=list)
    problem: str | None = None

    def note(self, finding: Finding) -> None:
        """Count a finding."""
        if finding.differs and finding.entry is not None:
            self.differing.append(finding.entry)
            return
        self.missing += 1
        if not finding.why.startswith(QUEUED):
            self.lowest_hole = min(self.lowest_hole or finding.number, finding.number)


QUEUED = "queued for "


async def reconcile(
    watched: Watched,
    ledger: Ledger,
    row: ControllerRow,
    names: Callable[[dict[str, Item]], Sequence[str]],
    since: int,
    pace: Pace,
    clock: Callable[[], int],
    on_finding: Callable[[Finding], None],
) -> AsyncIterator[Checked]:
    """Compare the jobs that ``names`` chooses out of the item tree, one after the other, no faster
    than ``pace``; findings are told as they come, and not kept. Raises RemoteError where the tree
    can't be had, or where the controller is down by now; that a job can't be had is in its
    :class:`Checked`."""
    await admit(watched, ledger)
    look = await discovery.look(watched.api, row.depth, first=False)
    await recognise(watched, ledger, row)
    settled_before = (row.last_success or clock()) - GRACE_MS
    for name in names(look.items):
        item = look.items.get(name)
        if item is None or item.next_build_number <= 1:
            continue
        jobs = ledger.jobs.states(row.id, name)
        job = jobs.get(name, JobState(name))
        checked = Checked(item)
        try:
            await pace.turn()
            async for part in summaries(watched.api, item, since):
                done = [one for one in part if is_due(one, settled_before)]
                entries = ledger.books.entries(row.id, job, [one.start for one in done])
                checked.builds += len(done)
                for finding in compared(name, done, entries):
                    checked.note(finding)
                    on_finding(finding)
        except NotFound:
            continue  # deleted since the tree was asked
        except RemoteError as error:
            if watched.api.turns.left_alone:
                raise
            checked.problem = str(error)
        else:
            if job.id:
                ledger.books.checked(job.id, clock())
        yield checked


def is_due(build: Summary, settled_before: int) -> bool:
    """Whether the ledger has to have a build: it is completed, and was before the last poll."""
    return build.completed and build.timestamp + max(0, build.duration) <= settled_before


def selected(watched: Watched, globs: Globs) -> Callable[[dict[str, Item]], Sequence[str]]:
    """Chooses every job that is watched and that ``globs`` select, by name."""
    return lambda items: sorted(
        name for name in items if watched.globs.selects(name) and globs.selects(name)
    )


def compared(job: str, builds: Iterable[Summary], entries: Iterable[Entry]) -> list[Finding]:
    """What is not settled of completed builds, and what Jenkins says otherwise. Pure."""
    by_number = {entry.start.number: entry for entry in entries}
    findings = []
    for build in builds:
        entry = by_number.get(build.number)
        why, differs = _why(build, entry)
        if why:
            found = entry.id if entry is not None else None
            findings.append(Finding(job, build.number, why, differs, found))
    return findings


def _why(build: Summary, entry: Entry | None) -> tuple[str, bool]:
    if entry is None:
        return "not in the ledger", False
    if entry.state == "in_flight":
        return "in flight in the ledger", False
    if entry.state == "skipped":
        return ("taken for gone", False) if entry.reason == GONE else ("", False)
    if entry.queued:
        return QUEUED + ", ".join(entry.queued), False
    if (entry.result or "") != (build.result or ""):
        return f"result {build.result} at Jenkins, {entry.result} in the ledger", True
    if entry.duration != build.duration:
        return f"{build.duration} ms at Jenkins, {entry.duration} ms in the ledger", True
    return "", False


async def fill(
    watched: Watched,
    ledger: Ledger,
    row: ControllerRow,
    checked: Checked,
    since: int,
    sinks: Sequence[str],
    clock: Callable[[], int],
) -> int:
    """Collect the holes of a job through the same path as a poll, its mark set back before the
    lowest. Returns how many builds were collected. Raises RemoteError."""
    lowest = checked.lowest_hole
    if lowest is None:
        return 0
    name = checked.item.full_name
    job = ledger.jobs.states(row.id, name).get(name, JobState(name))
    back = dataclasses.replace(job.mark, examined=min(job.mark.examined, lowest - 1))
    job, count = dataclasses.replace(job, mark=back), 0
    memory = LedgerMemory(ledger, row.id)
    pages = collect(watched, checked.item, job, since, memory, {})
    async for page in pages:
        if page.job.generation == job.generation:
            # The job's own mark stays where the polls have brought it, and what they counted.
            page.examined, page.gaps = None, 0
        rows = batch(watched, checked.item, page, clock() + retry_delay(job.failures + 1))
        recorded = ledger.builds.record(row.id, rows, sinks, clock())
        count += recorded.collected
        if unfinished(page) or recorded.stale:
            break
    return count
