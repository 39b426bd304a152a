"""The payload of one build as it would go out: sent nowhere, stored nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poller.actions.find_build import find_build, no_such_build
from poller.core.errors import NoSuchBuild, NotFound
from poller.ledger.records import JobState
from poller.mapping.iacm_execution import NewExecution, NoExecution, encode, new_execution
from poller.mapping.map_build import MappedRun, map_build
from poller.mapping.names import WITH_MODULES
from poller.mapping.rules import Skip
from poller.mapping.size_limit import limit_size
from poller.polling.controller import Controller
from poller.polling.enrich import fetch_enriched


@dataclass(frozen=True)
class Preview:
    """What would go out of a build: its encoded run, or why there is none.

    ``left_out`` is what was cut for its size, ``incomplete`` what could not be had, one line each.
    ``execution`` is what IaCM gets of it, None where no rule names a workspace for its job.
    """

    controller: str
    done: MappedRun | Skip
    body: bytes = b""
    left_out: str | None = None
    incomplete: tuple[str, ...] = ()
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
    one, page = await find_build(controllers, job, number, controller)
    if not page.builds[0].completed:
        raise NoSuchBuild(f"{job} #{number} still runs", "it is sent when it is completed")
    try:
        enriched, multibranch = await fetch_enriched(
            one.for_rules_only(), job, page, may_be_incomplete=True
        )
    except NotFound:
        raise no_such_build(job, number) from None
    row = one.ledger.controllers.find(one.name)
    jobs = one.ledger.jobs.states(row.id, job) if row else {}
    info = one.job_info(job, jobs.get(job, JobState(job)), multibranch=multibranch)
    done = map_build(one.instance, info, enriched, one.mapping)
    if isinstance(done, Skip):
        return Preview(one.name, done)
    body, left_out = limit_size(done.run, one.mapping.body_limit)
    execution = new_execution(done.run, enriched.tree, done.settings)
    incomplete = tuple(lack.why for lack in enriched.incomplete)
    if enriched.build.cls in WITH_MODULES and not one.wants_modules(job):
        incomplete += ("runs of its modules or configurations: modules = true sends them",)
    return Preview(one.name, done, body, left_out, incomplete, execution)
