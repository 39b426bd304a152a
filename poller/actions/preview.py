"""The payload of one build as it would go out: sent nowhere, stored nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from poller.core.errors import BadAnswer, NoSuchBuild, NotFound, UsageError
from poller.jenkins.discovery import in_multibranch
from poller.ledger.records import JobState
from poller.mapping.evidence import EnrichedBuild
from poller.mapping.iacm_execution import NewExecution, NoExecution, encode, new_execution
from poller.mapping.job_run import MappedRun, Skip, map_build
from poller.mapping.size_limit import limit_size
from poller.polling.controller import Controller
from poller.polling.enrich import EnrichFailure, enrich


@dataclass(frozen=True)
class Preview:
    """What would go out of a build: its encoded run, or why there is none.

    ``left_out`` is what was cut for its size, ``lacking`` what could not be had, one line each.
    ``execution`` is what IaCM gets of it, None where no rule names a workspace for its job.
    """

    controller: str
    done: MappedRun | Skip
    body: bytes = b""
    left_out: str | None = None
    lacking: tuple[str, ...] = ()
    execution: NewExecution | NoExecution | None = None

    @property
    def execution_body(self) -> bytes:
        """What IaCM gets, encoded; empty where it gets nothing."""
        return encode(self.execution) if isinstance(self.execution, NewExecution) else b""

    @property
    def no_execution(self) -> str:
        """Why IaCM gets nothing."""
        if isinstance(self.done, Skip):
            return self.done.reason
        if isinstance(self.execution, NoExecution):
            return self.execution.reason
        return "no rule names an iacm_workspace for it"


async def preview(
    controllers: Sequence[Controller], job: str, number: int, controller: str | None
) -> Preview:
    """The run of one build, of whichever controller has it.

    The ledger is read only, for the generation that the job is in.

    Raises NoSuchBuild; UsageError when several controllers have the build; RemoteError.
    """
    found: list[Preview] = []
    for one in controllers:
        if controller in (None, one.name):
            try:
                found.append(await _of(one, job, number))
            except NotFound:
                continue
    if not found:
        raise NoSuchBuild(
            f"{job} #{number} is not there, or not to be seen with this token",
            "JOB is the full name with its folders, as Jenkins shows it in fullName",
        )
    if len(found) > 1:
        names = ", ".join(one.controller for one in found)
        raise UsageError(f"{job} #{number} is on {names}", "say which with --controller NAME")
    return found[0]


async def _of(one: Controller, job: str, number: int) -> Preview:
    build = await one.client.build(job, number)
    if not build.completed:
        raise NoSuchBuild(f"{job} #{number} still runs", "it is sent when it is completed")
    (made,) = await enrich(one.for_rules_only(), job, [build])
    enriched = made if isinstance(made, EnrichedBuild) else _fallback(one, job, made)
    row = one.ledger.controllers.find(one.name)
    jobs = one.ledger.jobs.states(row.id, job) if row else {}
    state = jobs.get(job, JobState(job))
    facts = one.job_info(job, state, multibranch=await in_multibranch(one.client, job))
    done = map_build(one.instance, facts, enriched, one.mapping)
    if isinstance(done, Skip):
        return Preview(one.name, done)
    body, left_out = limit_size(done.run, one.mapping.body_limit)
    execution = new_execution(done.run, enriched.tree, facts.rule.settings)
    return Preview(one.name, done, body, left_out, enriched.incomplete, execution)


def _fallback(one: Controller, job: str, failure: EnrichFailure) -> EnrichedBuild:
    """What the run is made of when trying again is no use. Raises BadAnswer: there is nothing."""
    if failure.fallback is None:
        raise BadAnswer(one.client.where, f"{job} #{failure.build.number}", failure.why)
    return failure.fallback


def pretty(body: bytes) -> str:
    """The payload, indented."""
    return msgspec.json.format(body, indent=2).decode()
