"""IaCM against the ledger: each build that was delivered there has to be on record there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from poller.actions.reconcile import Comparison, ReconcileResult
from poller.context import AppContext
from poller.core.errors import RemoteError
from poller.core.times import DAY_MS
from poller.delivery.flush import flush_all
from poller.delivery.iacm_client import Execution, executions
from poller.delivery.iacm_sink import NAME
from poller.ledger import Ledger
from poller.ledger.executions import RecordedExecution
from poller.mapping.iacm_execution import NewExecution
from poller.polling.controller import Controller
from poller.polling.reconciliation import QUEUED, Difference

SKEW_MS = DAY_MS
"""How far IaCM's clock may be from Jenkins': it is asked for so much more than is compared."""

Known = dict[tuple[str, str], tuple[str, RecordedExecution, NewExecution]]
"""By pipeline execution and stage: controller, build, and what was sent of it."""


async def reconcile_iacm(
    context: AppContext, controllers: Sequence[Controller], comparison: Comparison
) -> ReconcileResult:
    """Read what IaCM has since then, page by page, and compare. What is missing there is queued
    again by a repair, the same to the byte, and sent.

    ``since`` None is all that the ledger has. Executions that others recorded are none of ours.
    Jenkins is not asked.
    """
    assert context.iacm is not None  # noqa: S101 - for the type checker
    since, repair, ledger = comparison.since, comparison.repair, context.ledger
    done = ReconcileResult(repairing=repair)
    known = _known(controllers, ledger, comparison, done)

    def note(controller: str, build: RecordedExecution, why: str, *, differs: bool = False) -> None:
        done.missing += not differs
        done.differing += differs
        found = Difference(build.full_name, build.number, why, differs, build.build)
        comparison.on_difference(controller, found)

    filters = {} if not since else {"start_time": str(max(0, since - SKEW_MS))}
    try:
        async for execution in executions(context.iacm, filters):
            key = (execution.pipeline_execution_id, execution.pipeline_stage_id)
            if key not in known:
                continue
            controller, build, sent = known.pop(key)
            if why := difference(execution, sent):
                note(controller, build, why, differs=True)
                if repair:
                    done.problems.append(
                        f"{build.full_name} #{build.number}: {why}: the API changes no execution"
                    )
    except RemoteError as error:
        done.errors.append(error)  # what did not come is not missing
        return done
    for controller, build, _ in known.values():
        if build.state == "queued":
            note(controller, build, QUEUED + NAME)
        elif build.state == "delivered":
            note(controller, build, "delivered, and not on record at IaCM")
            if repair:
                again = partial(ledger.executions.queue_again, build.build, context.clock())
                await ledger.when_free(again)
                done.repaired += 1
    if repair:
        await flush_all([one for one in context.senders if one.name == NAME])
        done.queued = ledger.outbox.count(NAME, "queued")
    return done


def difference(execution: Execution, sent: NewExecution) -> str:
    """What IaCM has otherwise than it was sent; empty: nothing. Pure."""
    for field in ("workspace", "pipeline"):
        theirs, ours = getattr(execution, field), getattr(sent, field)
        if theirs is not None and theirs != ours:
            return f"{field} {theirs} at IaCM, {ours} in the ledger"
    return ""


def _known(
    controllers: Sequence[Controller],
    ledger: Ledger,
    comparison: Comparison,
    done: ReconcileResult,
) -> Known:
    known: Known = {}
    jobs = set()
    for controller in controllers:
        row = ledger.controllers.find(controller.name)
        for build in (
            ledger.executions.recorded(row.id, comparison.since or 0) if row is not None else ()
        ):
            if build.state != "rejected" and comparison.globs.selects(build.full_name):
                sent = msgspec.json.decode(build.body, type=NewExecution)
                known[sent.pipeline_execution_id, sent.pipeline_stage_id] = (
                    controller.name, build, sent,
                )  # fmt: skip
                jobs.add((controller.name, build.full_name))
    done.checked, done.jobs = len(known), len(jobs)
    return known
