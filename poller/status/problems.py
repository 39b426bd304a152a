"""What is wrong, in words: what somebody who is woken up reads first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from poller.core.times import ago
from poller.status.sinks import SinkState
from poller.status.snapshot import ControllerState, Snapshot

OLD_MS = 900_000
"""A build that is queued for longer is worth a warning, whatever the sink says."""

LITTLE_ROOM = 2**30
"""Bytes free on the ledger's disk, below which it is worth a warning."""

CHECK, NOW, RETRY = "sei-poller check", "sei-poller now", "sei-poller retry --all"


@dataclass(frozen=True)
class Problem:
    """One sentence, the details in the program's own words, and the cure: words, or a command."""

    severity: Literal["bad", "warn"]
    text: str
    detail: str = ""
    cure: str = ""
    command: str = ""


def problems(snapshot: Snapshot) -> list[Problem]:
    """The worst first."""
    now, free = snapshot.now, snapshot.ledger.free
    found = [problem for sink in snapshot.sinks for problem in _of_sink(sink, now)]
    found += [problem for one in snapshot.controllers if (problem := _of(one, now))]
    found += [_of_guid(one) for one in snapshot.controllers if one.guid_problem]
    found += [_of_former(sink) for sink in snapshot.former_sinks if sink.queued]
    if snapshot.unwritable:
        text = "Nothing can be recorded, so nothing is asked of Jenkins and nothing sent."
        cure = "it goes on by itself when the ledger can be written again; nothing is lost"
        found.insert(0, Problem("bad", text, snapshot.unwritable, cure))
    if free < LITTLE_ROOM:
        left = f"{free // 2**20} MiB"
        found.append(
            Problem(
                "bad",
                f"The ledger's disk has {left} left.",
                cure="make room: what can't be recorded waits in Jenkins",
            )
        )
    return sorted(found, key=lambda problem: problem.severity != "bad")


def _of(controller: ControllerState, now: int) -> Problem | None:
    name, error = controller.name, controller.error or ""
    match controller.state:
        case "late" if controller.last_success is None:
            return Problem("bad", f"{name} has never answered.", error, command=CHECK)
        case "late":
            silent = ago(now - (controller.last_success or 0))
            return Problem("bad", f"{name} has not answered for {silent}.", error, command=CHECK)
        case "failing":
            return Problem("warn", f"{name} did not answer the last poll.", error, command=CHECK)
        case "partly":
            text = f"{name}: not all was collected; it is asked again."
            return Problem("warn", text, error, "to have it asked at once", NOW)
        case "starting":
            return Problem("warn", f"{name} has not been polled yet.")
    return None


def _of_sink(sink: SinkState, now: int) -> list[Problem]:
    found = []
    waiting = f"{_builds(sink.queued)} queued" + (
        f", the oldest for {ago(now - sink.oldest)}" if sink.oldest is not None else ""
    )
    if sink.error:
        last = (
            f"for {ago(now - sink.last_success)}"
            if sink.last_success is not None
            else "since it was set up"
        )
        text = f"{sink.name} has taken no build {last}: {waiting}; none is lost."
        found.append(Problem("bad", text, sink.error, command=CHECK))
    elif sink.catching_up:
        found.append(Problem("warn", f"{sink.name} is {sink.catching_up}."))
    elif sink.oldest is not None and now - sink.oldest > OLD_MS and sink.queued > sink.alone[0]:
        found.append(Problem("warn", f"{sink.name} lags: {waiting}."))
    if sink.alone[0]:
        text = f"{sink.name} takes others, but not {alone_words(sink)}; each is tried again."
        found.append(Problem("warn", text, cure="what it said", command="sei-poller rejected"))
    if not sink.logs_breaker.closed:
        text = f"{sink.name} takes no logs: failed builds go without, {sink.without_logs:,} so far."
        cure = 'it is tried again by itself; or logs = "none" below [sei]'
        found.append(Problem("warn", text, sink.logs_breaker.why, cure))
    if sink.rejected_lately:
        text = f"{sink.name} rejected {_builds(sink.rejected_lately)} in the last day."
        cure = "what it said is below; when the cause is gone"
        found.append(Problem("warn", text, cure=cure, command=RETRY))
    return found


def alone_words(sink: SinkState) -> str:
    """How many runs of how many jobs fail while others are delivered."""
    runs, jobs = sink.alone
    return f"{_builds(runs)} of {'1 job' if jobs == 1 else f'{jobs:,} jobs'}"


def _of_guid(controller: ControllerState) -> Problem:
    return Problem(
        "bad",
        f"SEI does not know {controller.name}: it would drop its runs.",
        controller.guid_problem or "",
        cure="is instance_guid that of your integration? It is asked again every few minutes",
    )


def _of_former(sink: SinkState) -> Problem:
    return Problem(
        "warn",
        f"{sink.name} is not in the config, and {_builds(sink.queued)} wait for it.",
        cure="put it back, or forget them",
        command=f"sei-poller retry --drop {sink.name}",
    )


def all_well(snapshot: Snapshot) -> str:
    """The sentence where there is no problem."""
    count = len(snapshot.controllers)
    polled = "1 controller" if count == 1 else f"{count} controllers"
    queued = sum(sink.queued for sink in snapshot.sinks)
    waiting = f"{_builds(queued)} on the way" if queued else "nothing is queued"
    return f"All well: {polled} polled on time, {waiting}, nothing was rejected in the last day."


def _builds(count: int) -> str:
    return "1 build" if count == 1 else f"{count:,} builds"
