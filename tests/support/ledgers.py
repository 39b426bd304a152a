"""Ledgers of tests: of earlier versions, and with the builds of one job."""

from __future__ import annotations

from pathlib import Path

from poller.core.build_key import BuildKey
from poller.ledger import Ledger
from poller.ledger.records import Batch, BuildRow, JobState

LEDGERS = Path(__file__).parents[1] / "ledgers"
SINKS = ("sei",)


def build_key(number: int, timestamp: int | None = None) -> BuildKey:
    """What tells it from others."""
    return BuildKey(number, timestamp or 1000 + number, 50 + number)


def complete(number: int, timestamp: int | None = None) -> BuildRow:
    """A collected build."""
    payload = b'{"n":%d}' % number
    return BuildRow(build_key(number, timestamp), 5, "SUCCESS", "collected", None, payload)


def running(number: int) -> BuildRow:
    """A build in flight."""
    return BuildRow(build_key(number), 0, None, "in_flight")


def record(ledger: Ledger, builds: list[BuildRow], examined: int) -> int:
    """Record builds of the job ``app`` on the controller ``main``."""
    controller = ledger.controllers.get("main", 0).id
    state = ledger.jobs.states(controller).get("app", JobState("app"))
    batch = Batch(state, "Job", builds, examined)
    return ledger.builds.record(controller, batch, SINKS, 1).collected


def job_row(ledger: Ledger) -> JobState:
    """The job ``app`` as the ledger has it."""
    return ledger.jobs.states(1)["app"]


def tally(ledger: Ledger) -> dict[tuple[str, str], int]:
    """How many builds and deliveries there are of each kind."""
    (row,) = ledger.controllers.all()
    return {key: count for key, count in row["tally"].items() if count}
