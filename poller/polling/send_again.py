"""Builds that were sent, or refused: mapped anew and queued again, under the same execution_id."""

from __future__ import annotations

from dataclasses import dataclass

from poller.core.errors import BadAnswer, NotFound, RemoteError, is_away
from poller.jenkins.build_pages import one_build
from poller.ledger.controllers import ControllerRow
from poller.ledger.deliveries.sent import SentBuild
from poller.ledger.executions import SINK as IACM
from poller.ledger.records import BuildRow
from poller.mapping.names import JobInfo
from poller.polling.controller import Controller
from poller.polling.enrich import fetch_enriched
from poller.polling.recording import mapped

AS_KEPT, MAPPED_ANEW = "as it was kept", "mapped anew"

MOST_LOOKED_AT = 3
"""Runs that went without something that are looked at again in one poll."""


@dataclass(frozen=True)
class SentAgain:
    """What became of one build: ``queued`` again or not, and how. `retry --json` prints it as it
    is: the names are a promise."""

    job: str
    number: int
    queued: bool
    how: str


async def send_again(controller: Controller, build: int, *, all_sinks: bool = False) -> SentAgain:
    """Queue a build again, for the sinks that rejected it or for ``all_sinks`` of the config: as
    Jenkins and the config have it now, so that a corrected config helps; as it was kept where
    Jenkins no longer has the build."""
    ledger = controller.ledger
    sent = ledger.outbox.sent(build)
    name, number = sent.full_name, sent.key.number
    try:
        row = await _anew(controller, sent)
    except RemoteError as error:
        return SentAgain(name, number, False, str(error))
    if row is None and not sent.kept and sent.refused_by != {IACM}:
        why = "Jenkins no longer has the build, and its payload was dropped (keep_payloads)"
        return SentAgain(name, number, False, why)
    if row is not None and row.payload is None:
        return SentAgain(name, number, False, f"it would be left out now: {row.reason}")
    if row is not None and row.execution is None and sent.refused_by == {IACM} and not all_sinks:
        why = row.no_execution or "no rule names an iacm_workspace for it"
        return SentAgain(name, number, False, f"it would be left out now: {why}")
    sinks = controller.sinks if all_sinks else ()
    ledger.outbox.requeue(build, controller.clock(), row, sinks)
    return SentAgain(name, number, True, AS_KEPT if row is None else MAPPED_ANEW)


async def _anew(controller: Controller, sent: SentBuild) -> BuildRow | None:
    """The build mapped as Jenkins has it now; None where it doesn't have it any more."""
    name, number = sent.full_name, sent.key.number
    try:
        read = await one_build(controller.client, name, number)
    except NotFound:
        return None
    if not read.builds:
        raise BadAnswer(controller.client.where, f"{name} #{number}", read.unreadable[number])
    if not all(build.key.is_same(sent.key) for build in read.builds):
        return None
    enriched, multibranch = await fetch_enriched(controller, name, read, may_be_incomplete=False)
    rules = controller.rules_of(name)
    job = JobInfo(name, sent.id_generation, sent.number_offset, multibranch, rules)
    return mapped(controller, job, enriched)


async def complete_later(controller: Controller, row: ControllerRow) -> int:
    """Look again at a few runs that went without something, and queue those that have more of it
    now. Returns how many. Each is looked at for a week. Raises RemoteError where the controller is
    away."""
    ledger, now = controller.ledger, controller.clock()
    still: list[int] = []
    completed = 0
    for build, lack in ledger.incomplete.due(row.id, now, MOST_LOOKED_AT):
        try:
            new = await _anew(controller, ledger.outbox.sent(build))
        except RemoteError as error:
            if is_away(error):
                raise
            new = None
        if new is None or new.payload is None or not _has_more(new, lack.reasons):
            still.append(build)
            continue
        ledger.outbox.complete(build, now, new, controller.sinks)
        completed += 1
        if new.incomplete is not None:
            still.append(build)
    if still:
        ledger.incomplete.looked_at(still, now)
    controller.events.builds_collected(controller.name, completed)
    return completed


def _has_more(new: BuildRow, lacked: tuple[str, ...]) -> bool:
    return new.incomplete is None or len(new.incomplete.reasons) < len(lacked)
