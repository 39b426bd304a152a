"""What happens to a whole simulated Jenkins: it is restarted, backed up, and restored."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.job_kinds import JobKind

if TYPE_CHECKING:
    from poller.demo.jenkins.items import Jenkins


@dataclass(frozen=True)
class SavedJob:
    """A job as a backup holds it."""

    full_name: str
    kind: JobKind
    next_build_number: int
    builds: dict[int, Build]


Backup = tuple[SavedJob, ...]


def restart(jenkins: Jenkins) -> None:
    """Pipelines that run resume, each with another queue id; other builds that run vanish, and
    their numbers stay used. One whose end was being saved stays as it was for ever (measured); of
    one that has ended, only run listeners were at work."""
    with jenkins.lock:
        jenkins.session = f"{int(jenkins.session, 16) + 1:08x}"
        for build in list(jenkins.running):
            if not build.job.kind.pipeline:
                build.job.delete_build(build.number)
            elif not build.building and not build.in_progress:
                build.stay_as_it_is()
            else:
                build.queue_id = jenkins.next_queue_id()


def backup(jenkins: Jenkins) -> Backup:
    """All jobs and builds as they are now."""
    with jenkins.lock:
        return tuple(
            SavedJob(
                name,
                job.kind,
                job.next_build_number,
                {number: copy.copy(build) for number, build in job.builds.items()},
            )
            for name, job in jenkins.jobs.items()
        )


def restore(jenkins: Jenkins, saved: Backup) -> None:
    """The controller as it was at the backup, started anew."""
    with jenkins.lock:
        for name in list(jenkins.jobs):
            jenkins.remove(name)
        _put_back(jenkins, saved)
        restart(jenkins)


def replica(jenkins: Jenkins, saved: Backup) -> Jenkins:
    """Another one that still shows what was there at the backup."""
    other = type(jenkins)(jenkins.clock)
    other.session, other.identity = jenkins.session, jenkins.identity
    _put_back(other, saved)
    return other


def _put_back(jenkins: Jenkins, saved: Backup) -> None:
    for one in saved:
        job = jenkins.job(one.full_name)
        job.set_kind(one.kind)
        job.next_build_number = one.next_build_number
        for number, build in one.builds.items():
            again = copy.copy(build)
            again.job = job
            job.builds[number] = again
            if not again.completed:
                jenkins.running[again] = None
