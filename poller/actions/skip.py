"""Runs that wait and are not to be sent."""

from __future__ import annotations

from dataclasses import dataclass

from poller.actions.find_build import check_only_one
from poller.core.errors import NoSuchBuild
from poller.ledger import Ledger


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
