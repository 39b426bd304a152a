"""What the answers of a job lack. No absence is believed at the first look: a cache or a replica
that lags may have an old answer, and what is passed over once is never sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from poller.core.errors import BadAnswer, NotFound
from poller.jenkins.build_pages import BuildPage, one_build
from poller.jenkins.discovery import Item
from poller.ledger.records import JobProgress, JobState, Pending
from poller.polling.controller import Controller
from poller.polling.pending import another_look, is_due

MOST_AWAITED = 20
"""Numbers of a job without a build that are awaited at once; the lower ones are believed gone."""

MOST_ASKED = 10
"""Absent builds of a job that are asked for by their numbers in one poll."""

WHY = "no answer has it yet"


@dataclass(frozen=True)
class Absence:
    """What of a job's numbers no answer shows.

    ``pending`` are looked for again, ``believed`` were looked for often enough, ``found`` were
    there when they were asked for by number. ``covered`` is the highest number up to which the
    answers show all there is. ``restored``: the newest known build is really gone, and the counter
    went back: the job was created anew, or Jenkins restored.
    """

    covered: int
    pending: Mapping[int, Pending] = field(default_factory=dict)
    believed: Collection[int] = ()
    found: BuildPage = field(default_factory=lambda: BuildPage([], {}, {}))
    restored: bool = False


async def look_for_absent(
    controller: Controller, item: Item, job: JobState, page: BuildPage, asked: int
) -> Absence:
    """Look for what the newest ``asked`` builds lack, by number where it was awaited already.
    Raises RemoteError; BadAnswer where the list proves to be cut off."""
    progress, now = job.progress, controller.clock()
    shown = {build.number for build in page.builds}.union(page.unreadable)
    await _check_rotated(controller, item.full_name, progress, shown, asked)
    pending: dict[int, Pending] = {}
    believed: list[int] = []
    found = BuildPage([], {}, {})
    left = MOST_ASKED
    for number in absent_numbers(progress, item.next_build_number, shown):
        before = progress.pending.get(number)
        if before is not None and not is_due(before, now) and before.kind == "absent":
            pending[number] = before
            continue
        if before is not None and left:
            left -= 1
            try:
                one = await one_build(controller.client, item.full_name, number)
            except NotFound:
                pass
            else:
                found = merged(found, one)
                continue
        again = another_look(before, "absent", WHY, now)
        if again is None:
            believed.append(number)
        else:
            pending[number] = again
    top = max(shown.union(build.number for build in found.builds), default=0)
    promised = promised_number(progress, item.next_build_number)
    covered = max(top, progress.examined) if promised in pending else max(top, promised)
    newest = newest_lost(progress, item.next_build_number, shown)
    return Absence(covered, pending, believed, found, newest in believed)


async def _check_rotated(
    controller: Controller, name: str, progress: JobProgress, shown: Collection[int], asked: int
) -> None:
    """Builds that log rotation took before they were seen lie below the oldest one shown: one of
    them, asked for, tells that from a list that is cut off."""
    lowest = min(shown, default=0)
    if progress.next_build_number is None or lowest <= progress.examined + 1 or len(shown) >= asked:
        return
    try:
        await controller.client.build_key(name, lowest - 1)
    except NotFound:
        return
    raise BadAnswer(
        controller.client.where,
        name,
        f"the list of its builds ends before #{lowest - 1}, which is there",
    )


def promised_number(progress: JobProgress, next_build_number: int) -> int:
    """The highest number that was used, by the counter and by what is known."""
    return max(next_build_number - 1, progress.highest_number)


def newest_lost(
    progress: JobProgress, next_build_number: int, shown: Collection[int]
) -> int | None:
    """The newest known build, where the counter went back before it and no answer has it."""
    if progress.next_build_number is None or next_build_number >= progress.next_build_number:
        return None
    if progress.newest is None or progress.newest.number <= max(shown, default=0):
        return None
    return progress.newest.number


def absent_numbers(
    progress: JobProgress, next_build_number: int, shown: Collection[int]
) -> list[int]:
    """The numbers that an answer with the builds ``shown`` should have and has not, highest first:
    the one that the counter promises, those in flight, those awaited already, the newest known one
    where the counter went back, and of a job that was collected before the holes in between.
    """
    top, lowest = max(shown, default=0), min(shown, default=1)
    promised = promised_number(progress, next_build_number)
    absent = {n for n, one in progress.pending.items() if one.kind == "absent" and n >= lowest}
    absent.update(number for number in progress.in_flight if number >= lowest)
    if promised > max(top, progress.examined):
        absent.add(promised)
    if (newest := newest_lost(progress, next_build_number, shown)) is not None:
        absent.add(newest)
    if progress.next_build_number is not None:
        new = range(max(progress.examined + 1, lowest), top)
        holes = sorted(set(new[-10_000:]).difference(shown), reverse=True)
        absent.update(holes[:MOST_AWAITED])
    return sorted(absent.difference(shown), reverse=True)


def merged(page: BuildPage, more: BuildPage) -> BuildPage:
    """Both as one, newest first."""
    if not (more.builds or more.unreadable):
        return page
    builds = {build.number: build for build in (*page.builds, *more.builds)}
    return BuildPage(
        [builds[number] for number in sorted(builds, reverse=True)],
        {**page.faults, **more.faults},
        {**page.unreadable, **more.unreadable},
    )
