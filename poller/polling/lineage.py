"""Which history a job's builds belong to: the one the ledger knows, one that began anew, or that of
another job that was renamed, moved, or restored from a backup. Pure functions.

Jenkins gives a job no identity but its name, so its builds are the evidence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from poller.core.build_key import BuildKey
from poller.ledger.records import JobProgress, JobState, KnownBuild, Predecessor


def is_another(job: JobState, keys: Mapping[int, BuildKey], known: Iterable[KnownBuild]) -> bool:
    """Whether the job is surely another one under the same name, created anew or restored: a number
    that the ledger knows in this generation has another start now.

    A counter that went back, another class, a build that is not there prove nothing: an answer may
    be old. Nor does another queue id: a pipeline gets one when it resumes (measured). Nor does what
    lies below a build that is the same: it was a build of a job that had the name before.
    """
    own = [one for one in known if one.job == job.id and one.generation == job.generation]
    if (newest := job.progress.newest) is not None:
        own.append(KnownBuild(newest, job.id, job.generation, settled=False))
    for one in sorted(own, key=_number, reverse=True):
        now = keys.get(one.key.number)
        if now is None or not now.timestamp > 0 < one.key.timestamp:
            continue
        if now.differs(one.key):
            return True
        if not _only_seen(one, job, {}):
            return False
    return False


def replaced(job: JobState, keys: Mapping[int, BuildKey], known: Iterable[KnownBuild]) -> set[int]:
    """The builds in flight in whose place another one is now, by their numbers."""
    return {
        one.key.number
        for one in known
        if one.generation == job.generation
        and not one.settled
        and one.key.number in keys
        and keys[one.key.number].differs(one.key)
    }


def start_generation(
    job: JobState,
    keys: Mapping[int, BuildKey],
    known: Collection[KnownBuild],
    missing: Mapping[int, JobState],
    used: int,
    *,
    another: bool,
) -> tuple[JobState, Predecessor | None]:
    """How a job goes on that was not collected before, or is ``another`` one than before: its
    state, and the history that it continues, if any.

    ``known`` are builds that the ledger has and the job shows now, of whatever job; ``missing`` are
    the jobs, by id, that the item tree no longer shows as they were; ``used`` is the highest number
    that SEI has under its name. Those of a job created anew go on, at SEI, after it.
    """
    # A first look that is held back goes on with the looks that it had.
    progress = JobProgress() if another else JobProgress(pending=job.progress.pending)
    source = None
    same = (one for one in known if _is(one, keys) and not _only_seen(one, job, missing))
    newest = max(same, key=_number, default=None)
    before = job if newest is not None and newest.job == job.id else None
    own_line = any(one.job == job.id and _is(one, keys) for one in known)
    if newest is not None:
        moved = before is None and newest.job in missing
        before = missing.get(newest.job, before)
        if before is not None:
            source = Predecessor(newest.job, newest.generation, newest.key.number, moved)
            if newest.generation == before.generation:
                progress = continued(before.progress, newest.key)
    offset = job.number_offset
    if another:
        job = dataclasses.replace(job, generation=job.generation + 1)
        offset += job.progress.highest_number
    elif newest is not None and before is not None and (own_line or not offset):
        # It has come back, or the name is new: the numbers that it had go on under it.
        went_on = before.number_offset if newest.offset is None else newest.offset
        if newest.key.number + went_on >= used:
            return dataclasses.replace(job, number_offset=went_on, progress=progress), source
    return dataclasses.replace(job, number_offset=max(offset, used), progress=progress), source


def continued(progress: JobProgress, newest: BuildKey) -> JobProgress:
    """The progress of a history that is the same up to ``newest``, a build that it knows."""
    if newest.number > progress.examined:
        return JobProgress(newest=newest)
    return JobProgress(
        examined=newest.number,
        in_flight=frozenset(number for number in progress.in_flight if number <= newest.number),
        newest=newest,
    )


def unsettled(
    due: Iterable[int], keys: Mapping[int, BuildKey], known: Collection[KnownBuild]
) -> list[int]:
    """Those of ``due`` that the ledger has not settled already, under whatever name."""
    settled = {one.key.number: one for one in known if one.settled}
    return [
        number
        for number in due
        if number not in settled or keys[number].differs(settled[number].key)
    ]


def _is(known: KnownBuild, keys: Mapping[int, BuildKey]) -> bool:
    return known.key.number in keys and known.key.is_same(keys[known.key.number])


def _only_seen(known: KnownBuild, job: JobState, missing: Mapping[int, JobState]) -> bool:
    """Whether it was only seen to run: what lay before it was not examined, and may be another
    job's."""
    owner = job if known.job == job.id else missing.get(known.job)
    return (
        owner is not None
        and not known.settled
        and known.generation == owner.generation
        and known.key.number > owner.progress.examined
    )


def _number(known: KnownBuild) -> int:
    return known.key.number
