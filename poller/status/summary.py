"""What `status` says: per controller, from the ledger alone."""

from __future__ import annotations

from typing import Any

from poller.breaker import Breaker, State
from poller.ledger import Ledger
from poller.ledger.executions import SINK as IACM
from poller.settings import Settings
from poller.when import ago, iso

SKIPPED = "skipped: "
NEWEST = 3
"""Runs that went without something that are named."""


def summary(settings: Settings, ledger: Ledger, now: int) -> dict[str, Any]:
    """The object that `status --json` prints; its keys are a promise. Times are ISO 8601.

    ``lag_seconds`` is the time since the last poll that Jenkins answered; null before the first.
    """
    seen = {row["name"]: row for row in ledger.controllers.all()}
    sinks, gaps = settings.sink_names, ledger.controllers.gaps()
    of_controllers, of_sinks = (ledger.breakers.all(kind) for kind in ("controller", "sink"))
    oldest = {(row["controller"], row["sink"]): row["at"] for row in ledger.outbox.oldest_queued()}
    return {
        "controllers": [
            {
                **_controller(controller.name, seen.get(controller.name, {}), now),
                "breaker": _breaker(of_controllers.get(controller.name)),
                "gaps": gaps.get(controller.name, 0),
                "incomplete": {
                    "count": ledger.lacking.count(controller.name),
                    "newest": ledger.lacking.newest(controller.name, NEWEST),
                },
                "sinks": {
                    sink: _sink(
                        sink,
                        seen.get(controller.name, {}).get("tally", {}),
                        oldest.get((controller.name, sink)),
                    )
                    for sink in sinks
                },
            }
            for controller in settings.controllers
        ],
        "sinks": {
            row["name"]: {
                "last_success": _time(row["last_success"]),
                "last_error": row["last_error"],
                "last_error_at": _time(row["last_error_at"]) if row["last_error"] else None,
                "breaker": _breaker(of_sinks.get(row["name"])),
            }
            for row in ledger.outbox.sinks()
        },
    }


def _controller(name: str, row: dict[str, Any], now: int) -> dict[str, Any]:
    success, tally = row.get("last_success"), row.get("tally", {})
    skipped = _skipped("", tally)
    return {
        "name": name,
        "jobs": row.get("jobs", 0),
        "last_poll": _time(row.get("last_poll")),
        "last_success": _time(success),
        "last_error": row.get("last_error"),
        "lag_seconds": None if success is None else max(0, now - success) // 1000,
        "in_flight": tally.get(("", "in_flight"), 0),
        "skipped": sum(skipped.values()),
        "skipped_because": skipped,
    }


def _breaker(breaker: Breaker | None) -> dict[str, Any]:
    one = breaker or Breaker()
    return {
        "state": one.state.value,
        "since": _time(one.since or None),
        "next_try": _time(one.next_try),
        "why": one.why or None,
    }


def _alone(breaker: dict[str, Any]) -> list[str]:
    """That a server is left alone, as text."""
    if breaker["state"] == State.CLOSED:
        return []
    tried = f"tried again at {breaker['next_try']}" if breaker["next_try"] else "tried just now"
    return [f"breaker {breaker['state']} since {breaker['since']}, {tried}: {breaker['why']}"]


def _skipped(name: str, tally: dict[tuple[str, str], int]) -> dict[str, int]:
    """How many builds were skipped, by reason: as a whole, or for the sink ``name`` alone."""
    return {
        state.removeprefix(SKIPPED): count
        for (sink, state), count in tally.items()
        if sink == name and state.startswith(SKIPPED) and count
    }


def _sink(name: str, tally: dict[tuple[str, str], int], oldest: int | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "queued": tally.get((name, "queued"), 0),
        "delivered": tally.get((name, "delivered"), 0),
        "rejected": tally.get((name, "rejected"), 0),
        "oldest_queued": _time(oldest),
    }
    if name == IACM:  # the only sink that takes some builds and not others
        skipped = _skipped(name, tally)
        told |= {"skipped": sum(skipped.values()), "skipped_because": skipped}
    return told


def _time(at: int | None) -> str | None:
    return None if at is None else iso(at)


def _reasons(row: dict[str, Any]) -> str:
    reasons = ", ".join(f"{why}: {count}" for why, count in row["skipped_because"].items())
    return f" ({reasons})" if reasons else ""


def lines(status: dict[str, Any]) -> list[str]:
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
        out += [f"  {line}" for line in _alone(row["breaker"])]
        if row["incomplete"]["count"]:
            out.append(f"  {row['incomplete']['count']} runs went without something; the newest:")
        out += [
            f"    {one['job']} #{one['number']}: {why}"
            for one in row["incomplete"]["newest"]
            for why in one["why"].splitlines()
        ]
        for name, sink in row["sinks"].items():
            since = f" since {sink['oldest_queued']}" if sink["queued"] else ""
            out.append(
                f"  {name}: {sink['queued']} queued{since},"
                f" {sink['delivered']} delivered, {sink['rejected']} rejected"
                + (f", {sink['skipped']} skipped{_reasons(sink)}" if sink.get("skipped") else "")
            )
    for name, sink in status["sinks"].items():
        if sink["last_error"]:
            out.append(
                f"{name}: not taking runs since {sink['last_error_at']}: {sink['last_error']}"
            )
        out += [f"{name}: {line}" for line in _alone(sink["breaker"])]
    return out
