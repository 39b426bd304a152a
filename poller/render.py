"""What `once` prints: pure functions from its result to lines and JSON."""

from __future__ import annotations

from typing import Any

from poller.once import Once


def once_lines(done: Once) -> list[str]:
    """One line a controller and one a sink."""
    lines = []
    for cycle in done.cycles:
        if cycle.error is not None:
            lines.append(str(cycle.error))
            continue
        lines.append(
            f"controller {cycle.controller}: {cycle.jobs} jobs, {cycle.asked} with news,"
            f" {cycle.collected} builds collected, {cycle.skipped} skipped"
        )
        lines += [f"  not collected, tried again later: {problem}" for problem in cycle.problems]
    for name, drained in done.drains.items():
        lines.append(f"{name}: {drained.delivered} delivered, {drained.rejected} rejected")
        if not drained.clean:
            lines.append(f"  stopped: {drained.stopped or drained.last_failure}")
    if done.queued:
        lines.append(f"{done.queued} still queued; the next run sends them")
    return lines


def once_hints(done: Once) -> list[str]:
    """The cures, where something failed."""
    hints = [
        f"{cycle.error.where}: {cycle.error.hint}"
        for cycle in done.cycles
        if cycle.error is not None and cycle.error.hint
    ]
    return hints + [f"{name}: {d.hint}" for name, d in done.drains.items() if d.hint]


def once_json(done: Once) -> dict[str, Any]:
    """The object that `once --json` prints; its keys are a promise."""
    return {
        "controllers": [
            {
                "name": cycle.controller,
                "jobs": cycle.jobs,
                "asked": cycle.asked,
                "collected": cycle.collected,
                "skipped": cycle.skipped,
                "problems": cycle.problems,
                "error": None if cycle.error is None else str(cycle.error),
            }
            for cycle in done.cycles
        ],
        "sinks": {
            name: {
                "delivered": drained.delivered,
                "rejected": drained.rejected,
                "stopped": drained.stopped or drained.last_failure or None,
            }
            for name, drained in done.drains.items()
        },
        "queued": done.queued,
    }
