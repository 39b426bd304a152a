"""`status` as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poller.cli.output import former_line
from poller.core.times import ago, iso
from poller.http.breaker import Breaker, BreakerState
from poller.ledger.executions import SINK as IACM
from poller.status.stages import in_words

if TYPE_CHECKING:
    from poller.status.sinks import Deliveries
    from poller.status.snapshot import ControllerState, FailureCounts, IncompleteRuns, Snapshot


def status_json(
    state: Snapshot,
    incomplete: Mapping[str, IncompleteRuns],
    alone: Mapping[str, list[dict[str, Any]]],
    failures: Mapping[str, FailureCounts],
) -> dict[str, Any]:
    """The object that `status --json` prints; its keys are a promise. Times are ISO 8601.

    ``lag_seconds`` is the time since the last poll that Jenkins answered; null before the first.
    ``alone`` has by sink the first of the runs that fail while others are delivered, ``failures``
    by controller why builds of the last week failed.
    """
    return {
        "controllers": [
            {
                **_controller(one, state, incomplete[one.name]),
                "failures": {
                    "by_category": failures[one.name].by_category,
                    "newest": failures[one.name].newest,
                },
            }
            for one in state.controllers
        ],
        "sinks": {
            sink.name: {
                "last_success": _time(sink.last_success),
                "last_error": sink.error,
                "last_error_at": _time(sink.error_at) if sink.error else None,
                "breaker": _breaker(sink.breaker),
                "configured": sink not in state.former_sinks,
                "queued": sink.queued,
                "catching_up": sink.catching_up or None,
                "first_yes": sink.first_yes,
                "without_logs": sink.without_logs,
                "logs_breaker": _breaker(sink.logs_breaker),
                "waiting_alone": {
                    "runs": sink.alone[0],
                    "jobs": sink.alone[1],
                    "oldest": [_waiting(row) for row in alone.get(sink.name, ())],
                },
            }
            for sink in (*state.sinks, *state.former_sinks)
            if sink.used
        },
    }


def _controller(
    one: ControllerState, state: Snapshot, incomplete: IncompleteRuns
) -> dict[str, Any]:
    lag = one.lag(state.now)
    return {
        "name": one.name,
        "jobs": one.jobs,
        "last_poll": _time(one.last_poll),
        "last_success": _time(one.last_success),
        "last_error": one.error,
        "lag_seconds": None if lag is None else lag // 1000,
        "in_flight": one.builds["in_flight"],
        "skipped": one.builds["skipped"],
        "skipped_because": one.skipped_because,
        "breaker": _breaker(one.breaker),
        "stages": None
        if one.stages is None
        else {
            "source": one.stages.source,
            "builds": one.stages.builds,
            "trees": one.stages.trees,
            "since": _time(one.stages.since),
        },
        "guid_problem": one.guid_problem,
        "gaps": incomplete.gaps,
        "incomplete": {
            "count": incomplete.count,
            "by_reason": incomplete.by_reason,
            "newest": incomplete.newest,
        },
        "pending": {
            "counts": incomplete.pending,
            "oldest": [_pending(row) for row in incomplete.oldest],
        },
        "sinks": {sink.name: _deliveries(sink.name, one.sinks[sink.name]) for sink in state.sinks},
    }


def _deliveries(sink: str, found: Deliveries) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "queued": found.queued,
        "delivered": found.delivered,
        "rejected": found.rejected,
        "oldest_queued": _time(found.oldest),
    }
    if sink == IACM:  # the only sink that takes some builds and not others
        counts |= {"skipped": sum(found.skipped.values()), "skipped_because": found.skipped}
    return counts


def _pending(row: dict[str, Any]) -> dict[str, Any]:
    times = {"since": iso(row["since"]), "retry_at": iso(row["retry_at"])}
    return {**{key: row[key] for key in ("job", "number", "kind", "tries", "why")}, **times}


def _waiting(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("controller", "job", "number", "tries", "status", "answer")
    return {**{key: row[key] for key in keys}, "next_try": iso(row["next_try"])}


def _breaker(breaker: Breaker) -> dict[str, Any]:
    return {
        "state": breaker.state.value,
        "since": _time(breaker.since or None),
        "next_try": _time(breaker.next_try),
        "why": breaker.why or None,
    }


def _time(at: int | None) -> str | None:
    return None if at is None else iso(at)


def status_lines(status: dict[str, Any]) -> list[str]:
    """The same as text, a few lines a controller."""
    out: list[str] = []
    for row in status["controllers"]:
        lag = row["lag_seconds"]
        polled = "never polled" if lag is None else f"last answer {ago(lag * 1000)} ago"
        out.append(
            f"{row['name']}: {polled}, {row['jobs']} jobs,"
            f" {row['in_flight']} in flight, {row['skipped']} skipped{_reasons(row)}"
            + (f", {row['gaps']} numbers without a build" if row["gaps"] else "")
        )
        if row["last_error"]:
            out.append(f"  problem: {row['last_error']}")
        if row["guid_problem"]:
            out.append(f"  problem: {row['guid_problem']}")
        out += [f"  {line}" for line in _open_circuit(row["breaker"])]
        if of := row["stages"]:
            words = in_words(of["source"], of["trees"], of["builds"])
            out.append(f"  stages: {words}, since {of['since']}")
        if waits := row["pending"]["counts"]:
            words = ", ".join(f"{count} {kind}" for kind, count in waits.items())
            out.append(f"  asked for again, or now by `sei-poller now`: {words}; the oldest:")
        out += [
            f"    {one['job']} #{one['number']}: {one['kind']} since {one['since']},"
            f" tried again at {one['retry_at']}: {one['why']}"
            for one in row["pending"]["oldest"]
        ]
        if row["incomplete"]["count"]:
            words = ", ".join(f"{n} {why}" for why, n in row["incomplete"]["by_reason"].items())
            out.append(f"  {row['incomplete']['count']} runs went without ({words}); the newest:")
        out += [
            f"    {one['job']} #{one['number']}: {why}"
            for one in row["incomplete"]["newest"]
            for why in one["why"].splitlines()
        ]
        out += _failure_lines(row["failures"])
        for name, sink in row["sinks"].items():
            since = f" since {sink['oldest_queued']}" if sink["queued"] else ""
            out.append(
                f"  {name}: {sink['queued']} queued{since},"
                f" {sink['delivered']} delivered, {sink['rejected']} rejected"
                + (f", {sink['skipped']} skipped{_reasons(sink)}" if sink.get("skipped") else "")
            )
    for name, sink in status["sinks"].items():
        if not sink["configured"]:
            if sink["queued"]:
                out.append(former_line(name, sink["queued"]))
            continue
        out += _queue_lines(name, sink)
        if sink["last_error"]:
            out.append(
                f"{name}: not taking runs since {sink['last_error_at']}: {sink['last_error']}"
            )
        out += [f"{name}: {line}" for line in _open_circuit(sink["breaker"])]
        out += _logs_lines(name, sink)
    return out


def _failure_lines(failures: dict[str, Any]) -> list[str]:
    """Why builds failed, in numbers, and the newest ones."""
    if not failures["by_category"]:
        return []
    words = ", ".join(f"{count} {why}" for why, count in failures["by_category"].items())
    return [
        f"  what may have made builds fail in the last 7 days: {words}; the newest:",
        *(
            f"    {one['job']} #{one['number']}: {one['category']}: {one['cause']}"
            for one in failures["newest"]
        ),
    ]


def _queue_lines(name: str, sink: dict[str, Any]) -> list[str]:
    """What is sent, and what waits for itself."""
    lines = [f"{name}: {sink['catching_up']}"] if sink["catching_up"] else []
    if sink["first_yes"]:
        lines.append(f"{name}: its first yes: {sink['first_yes']}")
    alone = sink["waiting_alone"]
    if alone["runs"]:
        lines.append(
            f"{name}: {alone['runs']} runs of {alone['jobs']} jobs fail while others are taken:"
        )
    for one in alone["oldest"]:
        last = f"HTTP {one['status']}" if one["status"] else one["answer"]
        lines.append(
            f"  {one['job']} #{one['number']}: tried {one['tries']} times, last {last},"
            f" tried again at {one['next_try']}"
        )
    return lines


def _logs_lines(name: str, sink: dict[str, Any]) -> list[str]:
    """What became of the logs of failed builds."""
    lines, breaker = [], sink["logs_breaker"]
    if sink["without_logs"]:
        lines.append(f"{name}: {sink['without_logs']} failed builds went without their logs")
    if breaker["state"] != BreakerState.CLOSED:
        tried = f"tried again at {breaker['next_try']}"
        lines.append(f"{name}: takes no logs since {breaker['since']}, {tried}: {breaker['why']}")
    return lines


def _open_circuit(breaker: dict[str, Any]) -> list[str]:
    """An open circuit as text."""
    if breaker["state"] == BreakerState.CLOSED:
        return []
    tried = "tried just now"
    if breaker["next_try"]:
        tried = f"tried again at {breaker['next_try']}, or at once by `sei-poller now`"
    return [f"breaker {breaker['state']} since {breaker['since']}, {tried}: {breaker['why']}"]


def _reasons(row: dict[str, Any]) -> str:
    reasons = ", ".join(f"{why}: {count}" for why, count in row["skipped_because"].items())
    return f" ({reasons})" if reasons else ""
