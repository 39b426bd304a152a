"""Which history a job's builds belong to: the one the ledger knows, one begun anew, or that of
another job that was renamed, moved, or restored from a backup. Pure functions.

Jenkins gives a job no identity but its name, so its builds are the evidence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from poller.core.build_key import BuildKey
from poller.ledger.records import JobProgress, JobState, KnownBuild, Predecessor


def is_recreated(
    job: JobState,
    next_build_number: int,
    cls: str,
    started: Mapping[int, BuildKey],
    known: Iterable[KnownBuild],
) -> bool:
    """Whether the job is another one under the same name: deleted and created anew, or restored.

    The counter went back, the class changed, or a number that the ledger knows in this generation
    is another build now. A build that was deleted proves nothing.
    """
    mark = job.progress
    if mark.next_build_number is not None and next_build_number < mark.next_build_number:
        return True
    if job.cls and cls and job.cls != cls:
        return True
    own = [one.key for one in known if one.job == job.id and one.generation == job.generation]
    if mark.newest is not None:
        own.append(mark.newest)
    return any(one.number in started and started[one.number].differs(one) for one in own)


def start_generation(
    job: JobState,
    started: Mapping[int, BuildKey],
    known: Iterable[KnownBuild],
    lost: Mapping[int, JobState],
    *,
    another: bool,
) -> tuple[JobState, Predecessor | None]:
    """How a job goes on that has no mark, or is ``another`` one than before: its state, and the
    history that it continues, if any.

    ``known`` are builds that the ledger has and the job shows now, of whatever job; ``lost`` are
    the jobs, by id, that the item tree no longer shows as they were. Numbers of a job created anew
    go on, at SEI, after the last one that its name has used.
    """
    mark = JobProgress()
    source = None
    same = (one for one in known if _is(one, started) and not _only_seen(one, job, lost))
    newest = max(same, key=_number, default=None)
    before = job if newest is not None and newest.job == job.id else None
    if newest is not None:
        moved = before is None and newest.job in lost
        before = lost.get(newest.job, before)
        if before is not None:
            source = Predecessor(newest.job, newest.generation, newest.key.number, moved)
            if newest.generation == before.generation:
                mark = continued(before.progress, newest.key)
    if another:
        return dataclasses.replace(
            job,
            generation=job.generation + 1,
            number_offset=job.number_offset + job.progress.highest_number,
            progress=mark,
        ), source
    if source is not None and source.moved and not job.number_offset and before is not None:
        # The name is new: the numbers that the job had go on under it.
        return dataclasses.replace(job, number_offset=before.number_offset, progress=mark), source
    return dataclasses.replace(job, progress=mark), source


def continued(mark: JobProgress, newest: BuildKey) -> JobProgress:
    """The mark of a history that is the same up to ``newest``, a build that it knows."""
    if newest.number > mark.examined:
        return JobProgress(newest=newest)
    return JobProgress(
        examined=newest.number,
        in_flight=frozenset(number for number in mark.in_flight if number <= newest.number),
        newest=newest,
    )


def unsettled(
    due: Iterable[int], started: Mapping[int, BuildKey], known: Collection[KnownBuild]
) -> list[int]:
    """Those of ``due`` that the ledger has not settled already, under whatever name."""
    settled = {one.key.number: one for one in known if one.settled}
    return [
        number
        for number in due
        if number not in settled or started[number].differs(settled[number].key)
    ]


def _is(known: KnownBuild, started: Mapping[int, BuildKey]) -> bool:
    return known.key.number in started and known.key.is_same(started[known.key.number])


def _only_seen(known: KnownBuild, job: JobState, lost: Mapping[int, JobState]) -> bool:
    """Whether it was only seen to run: what lay before it was not looked at, and may be another
    job's."""
    owner = job if known.job == job.id else lost.get(known.job)
    return (
        owner is not None
        and not known.settled
        and known.generation == owner.generation
        and known.key.number > owner.progress.examined
    )


def _number(known: KnownBuild) -> int:
    return known.key.number
