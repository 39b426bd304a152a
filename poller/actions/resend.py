"""Runs that were refused, or that are otherwise in Jenkins now: mapped anew, queued again."""

from __future__ import annotations

from dataclasses import dataclass

from poller.actions.find_build import check_only_one
from poller.context import AppContext
from poller.core.errors import NoSuchBuild, NotFound, RemoteError
from poller.ledger import Ledger
from poller.ledger.executions import SINK as IACM
from poller.ledger.outbox import SentBuild
from poller.ledger.records import BuildRow
from poller.mapping.map_build import JobInfo
from poller.polling.controller import Controller
from poller.polling.enrich import fetch_enriched
from poller.polling.recording import mapped


@dataclass(frozen=True)
class ResendResult:
    """What became of one build: ``queued`` again or not, and how. `retry --json` prints it as it
    is: the names are a promise."""

    job: str
    number: int
    queued: bool
    how: str


async def resend(controller: Controller, build: int, *, all_sinks: bool = False) -> ResendResult:
    """Queue a build again: as Jenkins and the config have it now, so that a corrected config helps;
    as it was kept where Jenkins no longer has the build."""
    ledger = controller.ledger
    sent = ledger.outbox.sent(build)
    name, number = sent.full_name, sent.key.number
    try:
        row = await _anew(controller, sent)
    except RemoteError as error:
        return ResendResult(name, number, False, str(error))
    if row is None and not sent.kept and sent.refused_by != {IACM}:
        why = "Jenkins no longer has the build, and its payload was dropped (keep_payloads)"
        return ResendResult(name, number, False, why)
    if row is not None and row.payload is None:
        return ResendResult(name, number, False, f"it would be left out now: {row.reason}")
    if row is not None and row.execution is None and sent.refused_by == {IACM} and not all_sinks:
        why = row.no_execution or "no rule names an iacm_workspace for it"
        return ResendResult(name, number, False, f"it would be left out now: {why}")
    ledger.outbox.requeue(build, controller.clock(), row, all_sinks=all_sinks)
    return ResendResult(name, number, True, "as it was kept" if row is None else "mapped anew")


async def _anew(controller: Controller, sent: SentBuild) -> BuildRow | None:
    """The build mapped as Jenkins has it now; None where it doesn't have it any more."""
    name, number = sent.full_name, sent.key.number
    try:
        build = await controller.client.build(name, number)
    except NotFound:
        return None
    if not build.key.is_same(sent.key):
        return None
    enriched, multibranch = await fetch_enriched(controller, name, build, may_be_incomplete=False)
    rule = controller.rule_of(name)
    job = JobInfo(name, sent.generation, sent.number_offset, multibranch, rule)
    return mapped(controller, job, enriched)


async def resend_all(
    context: AppContext,
    wanted: tuple[str, int] | None,
    controller: str | None,
) -> list[ResendResult]:
    """Retry what was refused: all of it, or the build ``wanted`` (full name and number), which may
    also be one that is queued and failed.

    Raises NoSuchBuild; UsageError when several controllers have refused runs of that build.
    """
    ledger = context.ledger
    failing = [] if wanted is None else [row for row in ledger.queue.of(*wanted) if row["tries"]]
    rows = ledger.outbox.rejected() + failing
    rows = [
        row
        for row in rows
        if (wanted is None or (row["job"], row["number"]) == wanted)
        and controller in (None, row["controller"])
    ]
    if wanted is not None and not rows:
        raise NoSuchBuild(
            f"{wanted[0]} #{wanted[1]}: no refused run", "`sei-poller rejected` lists them"
        )
    if wanted is not None:
        check_only_one(sorted(row["controller"] for row in rows), *wanted)
    controllers = {one.name: one for one in context.controllers}
    builds = {row["build"]: row for row in rows}
    done = []
    for build, row in builds.items():
        if row["controller"] in controllers:
            done.append(await resend(controllers[row["controller"]], build))
        else:
            why = f"controller {row['controller']} is not in the config"
            done.append(ResendResult(row["job"], row["number"], False, why))
    return done


@dataclass(frozen=True)
class SkippedRun:
    """A run that is not sent any more. `skip --json` prints it as it is."""

    controller: str
    job: str
    number: int
    sink: str


def skip_queued(
    ledger: Ledger, build: tuple[str, int], controller: str | None, now: int
) -> list[SkippedRun]:
    """Count what is queued of a build (full name and number) as refused, with the last answer.

    Raises NoSuchBuild; UsageError when several controllers have runs of it that wait.
    """
    rows = [one for one in ledger.queue.of(*build) if controller in (None, one["controller"])]
    if not rows:
        raise NoSuchBuild(f"{build[0]} #{build[1]}: no run waits", "see `sei-poller status`")
    check_only_one(sorted({row["controller"] for row in rows}), *build)
    for row in rows:
        answer = f"skipped by `sei-poller skip`; before: {row['answer'] or 'no answer'}"
        ledger.outbox.settle(row["id"], "rejected", now, row["status"], answer, by_hand=True)
    return [SkippedRun(row["controller"], row["job"], row["number"], row["sink"]) for row in rows]
