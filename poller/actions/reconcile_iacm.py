"""IaCM against the ledger: each build that was delivered there has to be on record there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from poller.actions.reconcile import ReconcileResult
from poller.core.errors import RemoteError
from poller.core.patterns import Globs
from poller.delivery.flush import flush
from poller.delivery.iacm_client import Execution, IacmClient, executions
from poller.delivery.iacm_sink import NAME
from poller.delivery.sender import Sender
from poller.ledger import Ledger
from poller.ledger.executions import RecordedExecution
from poller.mapping.iacm_execution import NewExecution
from poller.polling.controller import Controller
from poller.polling.reconciliation import QUEUED, Difference

SKEW_MS = 86_400_000
"""How far IaCM's clock may be from Jenkins': it is asked for so much more than is compared."""

Known = dict[tuple[str, str], tuple[str, RecordedExecution, NewExecution]]
"""By pipeline execution and stage: controller, build, and what was sent of it."""


async def reconcile_iacm(
    controllers: Sequence[Controller],
    api: IacmClient,
    sender: Sender,
    since: int | None,
    globs: Globs,
    *,
    repair: bool,
    on_finding: Callable[[str, Difference], None],
) -> ReconcileResult:
    """Read what IaCM has since then, page by page, and compare. With ``repair`` what is missing
    there is queued again, the same to the byte, and sent.

    ``since`` (epoch ms, of the start of a build) None is all that the ledger has. Executions that
    others recorded are none of ours. Jenkins is not asked.
    """
    done = ReconcileResult(repairing=repair)
    ledger = sender.ledger
    known = _known(controllers, ledger, since, globs, done)

    def note(controller: str, build: RecordedExecution, why: str, *, differs: bool = False) -> None:
        done.missing += not differs
        done.differing += differs
        on_finding(controller, Difference(build.full_name, build.number, why, differs, build.build))

    filters = {} if not since else {"start_time": str(max(0, since - SKEW_MS))}
    try:
        async for execution in executions(api, filters):
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
                ledger.executions.queue_again(build.build, sender.clock())
                done.repaired += 1
    if repair:
        await flush(sender)
        done.queued = ledger.outbox.count_queued(NAME)
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
    since: int | None,
    globs: Globs,
    done: ReconcileResult,
) -> Known:
    known: Known = {}
    jobs = set()
    for controller in controllers:
        row = ledger.controllers.find(controller.name)
        for build in ledger.executions.recorded(row.id, since or 0) if row is not None else ():
            if build.state != "rejected" and globs.selects(build.full_name):
                sent = msgspec.json.decode(build.body, type=NewExecution)
                known[sent.pipeline_execution_id, sent.pipeline_stage_id] = (
                    controller.name, build, sent,
                )  # fmt: skip
                jobs.add((controller.name, build.full_name))
    done.checked, done.jobs = len(known), len(jobs)
    return known
