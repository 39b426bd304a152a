"""What commands print: pure functions from their results to lines and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poller.actions.backfill import BackfillAllResult, EstimateAllResult
from poller.actions.once import OnceResult
from poller.actions.reconcile import ReconcileResult
from poller.actions.resend import ResendResult
from poller.actions.skip import SkippedRun
from poller.cli.output import former_line
from poller.core.times import iso
from poller.delivery.iacm_client import meaning
from poller.delivery.outcome import PassResult
from poller.polling.backfill import BackfillResult, Estimate
from poller.polling.cycle import PollResult
from poller.polling.reconciliation import Difference
from poller.polling.send_again import SentAgain


def once_lines(done: OnceResult) -> list[str]:
    """One line a controller and one a sink."""
    lines = []
    for cycle in done.cycles:
        if cycle.error is not None:
            lines.append(str(cycle.error))
            continue
        lines.append(
            f"controller {cycle.controller}: {cycle.jobs} jobs, {cycle.asked} with changes,"
            f" {cycle.collected} builds collected, {cycle.skipped} skipped"
        )
        lines += [f"  not collected, tried again later: {problem}" for problem in cycle.problems]
    for name, checked in done.self_checks.items():
        lines += [f"controller {name}: self-check: {one}" for one in checked.differences]
        lines += [f"controller {name}: self-check: {problem}" for problem in checked.problems]
    lines += _pass_lines(done.passes, done.queued) + done.guid_problems
    return lines + [former_line(name, count) for name, count in done.former.items()]


def _pass_lines(passes: dict[str, PassResult], queued: int) -> list[str]:
    lines = []
    for name, one in passes.items():
        if one.another_process_sends:
            lines.append(f"{name}: another process delivers")
            continue
        lines.append(f"{name}: {one.delivered} delivered, {one.rejected} rejected")
        if one.failed:
            lines.append(f"  stopped: {one.stopped or one.last_failure}")
    if queued:
        lines.append(f"{queued} still queued; the next run sends them")
    return lines


def _passes_json(passes: dict[str, PassResult]) -> dict[str, Any]:
    return {
        name: {
            "delivered": one.delivered,
            "rejected": one.rejected,
            "stopped": one.stopped or one.last_failure or None,
        }
        for name, one in passes.items()
    }


def _controllers_json(
    results: Sequence[PollResult | BackfillResult | Estimate],
) -> list[dict[str, Any]]:
    """What was done, a controller: the fields are the keys, but for its ``name``."""
    fields = [dict(vars(one)) for one in results]
    return [{"name": one.pop("controller"), **one} for one in fields]


def once_hints(done: OnceResult) -> list[str]:
    """The cures, where something failed."""
    hints = [
        f"{cycle.error.where}: {cycle.error.hint}"
        for cycle in done.cycles
        if cycle.error is not None and cycle.error.hint
    ]
    hints += [f"{name}: {one.hint}" for name, one in done.passes.items() if one.hint]
    if done.exit_code:
        hints.append("what waits now is asked at once by `sei-poller once --now`")
    return hints


def once_json(done: OnceResult) -> dict[str, Any]:
    """The object that `once --json` prints; its keys are a promise."""
    return {
        "controllers": _controllers_json(done.cycles),
        "sinks": _passes_json(done.passes),
        "queued": done.queued,
    }


def backfill_lines(done: BackfillAllResult) -> list[str]:
    """A few lines a controller, and what was delivered."""
    lines = []
    for one in done.controllers:
        lines.append(
            f"controller {one.controller}: {one.done} of {one.jobs} jobs looked through,"
            f" {one.collected} builds collected, {one.skipped} skipped"
        )
        lines += [f"  not collected: {problem}" for problem in one.problems]
    lines += [str(error) for error in done.errors]
    if done.another_process_sends:
        lines.append(f"{done.queued} queued; another process delivers them")
    else:
        lines += _pass_lines(done.passes, done.queued)
    if done.stopped:
        lines.append("stopped; the same command goes on from here")
    return lines


def backfill_json(done: BackfillAllResult) -> dict[str, Any]:
    """The object that `backfill --json` prints; its keys are a promise."""
    return {
        "controllers": _controllers_json(done.controllers),
        "errors": done.errors,
        "sinks": _passes_json(done.passes),
        "queued": done.queued,
        "stopped": done.stopped,
    }


def estimate_lines(found: EstimateAllResult) -> list[str]:
    """A line a controller."""
    lines = []
    for one in found.controllers:
        lines.append(f"controller {one.controller}: {one.builds} builds of {one.jobs} jobs")
        lines += [f"  not counted: {problem}" for problem in one.problems]
    lines += [str(error) for error in found.errors]
    return [*lines, "nothing was collected or sent"]


def estimate_json(found: EstimateAllResult) -> dict[str, Any]:
    """The object that `backfill --dry-run --json` prints; its keys are a promise."""
    return {"controllers": _controllers_json(found.controllers), "errors": found.errors}


def reconcile_line(controller: str, difference: Difference) -> str:
    """One difference."""
    return f"{controller}: {difference.job} #{difference.number}: {difference.why}"


def reconcile_lines(done: ReconcileResult) -> list[str]:
    """What comes after the differences."""
    lines = [f"not compared: {problem}" for problem in done.problems]
    lines += [str(error) for error in done.errors]
    lines.append(
        f"{done.checked} completed builds of {done.jobs} jobs compared:"
        f" {done.missing} missing, {done.differing} differing"
    )
    if done.repairing:
        lines.append(f"{done.repaired} repaired, {done.queued} still queued")
    elif done.missing or done.differing:
        lines.append("`sei-poller reconcile --repair` collects and sends them")
    if done.waiting:
        lines.append("`sei-poller now`, or `once --now`, asks at once for what is tried again")
    return lines


def reconcile_iacm_lines(done: ReconcileResult) -> list[str]:
    """What comes after the differences about IaCM."""
    if done.errors:
        return [f"not compared: {error}" for error in done.errors]
    lines = [f"not repaired: {problem}" for problem in done.problems]
    lines += [
        f"{done.checked} builds of {done.jobs} jobs compared with IaCM:"
        f" {done.missing} missing, {done.differing} differing"
    ]
    if done.repairing:
        lines.append(f"{done.repaired} queued again, {done.queued} still queued")
    elif done.missing:
        lines.append("`sei-poller reconcile --sink iacm --repair` sends them again")
    return lines


def reconcile_json(done: ReconcileResult, found: list[tuple[str, Difference]]) -> dict[str, Any]:
    """The object that `reconcile --json` prints; its keys are a promise."""

    def rows(*, differs: bool) -> list[dict[str, Any]]:
        return [
            {"controller": controller, "job": f.job, "number": f.number, "why": f.why}
            for controller, f in found
            if f.differs == differs
        ]

    return {
        "checked": done.checked,
        "missing": rows(differs=False),
        "differing": rows(differs=True),
        "problems": [*done.problems, *map(str, done.errors)],
        "repaired": done.repaired,
    }


def rejected_lines(rows: list[dict[str, Any]]) -> list[str]:
    """A line a run that was refused, or fails, and the receiver's words below it."""
    lines = []
    for row in rows:
        build = f"{row['controller']}: {row['job']} #{row['number']}: {row['sink']}"
        status = f"HTTP {row['status']}" if row["status"] else "nothing"
        if "next_try" not in row:
            lines.append(f"{build} answered {status} at {iso(row['at'])}")
        else:
            again = f"{row['tries']} times, tried again at {iso(row['next_try'])}"
            lines.append(f"{build} answered {status} {again}; `retry` or `skip` it")
        lines += [f"  {line}" for line in (row["answer"] or "").splitlines()[:5]]
        if row["sink"] == "iacm" and (cure := meaning(row["status"] or 0)):
            lines.append(f"  {cure}")
    return lines or ["nothing was refused"]


def rejected_json(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The array that `rejected --json` prints; its keys are a promise. What was not refused, and is
    tried again by itself, has ``tries`` and ``next_try`` besides."""
    keys = ("controller", "job", "number", "sink", "status", "answer")
    return [
        {**{key: row[key] for key in keys}, "at": iso(row["at"]), **_waits(row)} for row in rows
    ]


def _waits(row: dict[str, Any]) -> dict[str, Any]:
    if "next_try" not in row:
        return {}
    return {"tries": row["tries"], "next_try": iso(row["next_try"])}


def skipped_lines(done: list[SkippedRun]) -> list[str]:
    """A line a run."""
    return [f"{one.controller}: {one.job} #{one.number}: not sent to {one.sink}" for one in done]


def retried_lines(done: list[SentAgain]) -> list[str]:
    """A line a build."""
    return [
        f"{one.job} #{one.number}: {'queued again, ' if one.queued else 'not queued: '}{one.how}"
        for one in done
    ] or ["nothing was refused"]


def resend_lines(done: ResendResult) -> list[str]:
    """What was queued and how, and one line a sink."""
    how = ", ".join(f"{count} {words}" for words, count in done.how.items())
    lines = [f"{done.how.total()} builds queued again" + (f": {how}" if how else "")]
    if done.not_queued:
        lines.append(f"{done.not_queued} not queued")
    lines += [str(error) for error in done.errors]
    if done.stopped:
        lines.append("stopped: run it again for the rest")
    return lines + _pass_lines(done.passes, done.queued)


def resend_json(done: ResendResult) -> dict[str, Any]:
    """The object that `resend --json` prints; its keys are a promise."""
    return {
        "selected": done.selected,
        "queued_again": done.how.total(),
        "how": done.how,
        "not_queued": done.not_queued,
        "problems": done.problems,
        "errors": [str(error) for error in done.errors],
        "stopped": done.stopped,
        "sinks": _passes_json(done.passes),
        "queued": done.queued,
    }
