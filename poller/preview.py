"""The payload of one build as it would go out: sent nowhere, stored nowhere."""

from __future__ import annotations

import msgspec

from poller.errors import BadAnswer, NoSuchBuild, NotFound, UsageError
from poller.jenkins.discovery import in_multibranch
from poller.jenkins.whole import Failure, make_whole
from poller.ledger import Ledger
from poller.sei.limits import fit
from poller.sei.mapping import Skip, job_run
from poller.watched import Watched
from poller.watermark import JobState


async def preview(
    watched: list[Watched], ledger: Ledger, job: str, number: int, controller: str | None
) -> tuple[str, bytes | Skip]:
    """The controller's name, and the encoded run or why there is none.

    The ledger is read only, for the generation that the job is in.

    Raises NoSuchBuild; UsageError when several controllers have the build; RemoteError.
    """
    found: list[tuple[str, bytes | Skip]] = []
    for one in watched:
        if controller in (None, one.name):
            try:
                found.append((one.name, await _run(one, ledger, job, number)))
            except NotFound:
                continue
    if not found:
        raise NoSuchBuild(
            f"{job} #{number} is not there, or not to be seen with this token",
            "JOB is the full name with its folders, as Jenkins shows it in fullName",
        )
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise UsageError(f"{job} #{number} is on {names}", "say which with --controller NAME")
    return found[0]


async def _run(one: Watched, ledger: Ledger, job: str, number: int) -> bytes | Skip:
    build = await one.api.build(job, number)
    if not build.completed:
        raise NoSuchBuild(f"{job} #{number} still runs", "it is sent when it is completed")
    (whole,) = await make_whole(one.api, job, [build])
    if isinstance(whole, Failure):
        raise BadAnswer(one.api.where, f"{job} #{number}", whole.why)
    row = ledger.controllers.find(one.name)
    jobs = ledger.jobs.states(row.id, job) if row else {}
    state = jobs.get(job, JobState(job))
    facts = one.job_facts(job, state, multibranch=await in_multibranch(one.api, job))
    run = job_run(one.identity, facts, build, whole.tree, one.policy)
    if isinstance(run, Skip):
        return run
    body, _ = fit(run, one.policy.body_limit)
    return body


def pretty(body: bytes) -> str:
    """The payload, indented."""
    return msgspec.json.format(body, indent=2).decode()
