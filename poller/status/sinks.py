"""The sinks of one moment: what waits for each, what it took and refused, and whether it is up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from poller.core.times import DAY_MS, ago
from poller.delivery.failed_logs.sending import CIRCUIT, SEI
from poller.delivery.sender import CATCHING_UP
from poller.http.breaker import Breaker
from poller.ledger import Ledger

LATELY_MS = 60_000
"""A queue of which nothing was delivered for longer is not being sent."""


@dataclass(frozen=True)
class Deliveries:
    """The deliveries of one controller to one sink by state. ``oldest`` is since when the first of
    those queued waits (epoch ms); ``skipped`` counts by reason what the sink does not take."""

    queued: int = 0
    delivered: int = 0
    rejected: int = 0
    oldest: int | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SinkState:
    """One sink, now: counts over all controllers, and what it last said. Times are epoch ms.
    ``rejected_lately`` leaves out what was sent again since. ``alone`` are the runs, and their
    jobs, that fail while others are delivered; ``per_second`` is how many are delivered while a
    long queue is sent, 0 otherwise; ``first_yes`` is what it answered to the first run it took.
    ``without_logs`` counts the runs that went without logs that there are, and ``logs_breaker`` is
    that of runs with logs."""

    name: str
    queued: int
    oldest: int | None
    delivered: int
    rejected: int
    rejected_lately: int
    last_success: int | None
    error: str | None
    error_at: int | None = None
    breaker: Breaker = field(default_factory=Breaker)
    alone: tuple[int, int] = (0, 0)
    per_second: float = 0.0
    first_yes: str | None = None
    without_logs: int = 0
    logs_breaker: Breaker = field(default_factory=Breaker)

    @property
    def used(self) -> bool:
        """It has answered, or failed to, before; or something waits for it."""
        return self.last_success is not None or self.error_at is not None or self.queued > 0

    @property
    def catching_up(self) -> str:
        """How far a long queue is, in words; empty where there is none."""
        if not self.per_second:
            return ""
        rate = f"{self.per_second:,.0f}" if self.per_second >= 1 else f"{self.per_second:.1f}"
        left = ago(int(1000 * self.queued / self.per_second))
        return f"catching up: {self.queued:,} queued, {rate} a second, about {left}"


def sink_states(
    ledger: Ledger, names: Iterable[str], of_all: list[dict[str, Deliveries]], now: int
) -> list[SinkState]:
    """The sinks of the config, then others that the ledger has; ``of_all`` are all controllers that
    it has. Raises LedgerError."""
    rows = {row["name"]: row for row in ledger.outbox.sinks()}
    breakers = ledger.breakers.all("sink")
    lately = ledger.page_queries.rejected_by_sink(now - DAY_MS, now)
    states = []
    for name in dict.fromkeys((*names, *rows)):
        breaker = breakers.get(name, Breaker())
        row, found = rows.get(name, {}), [sinks[name] for sinks in of_all if name in sinks]
        rejected = sum(one.rejected for one in found)
        states.append(
            SinkState(
                name=name,
                queued=sum(one.queued for one in found),
                oldest=min((one.oldest for one in found if one.oldest is not None), default=None),
                delivered=sum(one.delivered for one in found),
                rejected=rejected,
                rejected_lately=min(lately.get(name, 0), rejected),
                last_success=row.get("last_success"),
                error=row.get("last_error"),
                error_at=row.get("last_error_at"),
                breaker=breaker,
                alone=(row.get("alone_runs", 0), row.get("alone_jobs", 0)),
                per_second=_per_second(row, found, breaker, now),
                first_yes=row.get("first_yes"),
                without_logs=row.get("without_logs", 0),
                logs_breaker=breakers.get(CIRCUIT, Breaker()) if name == SEI else Breaker(),
            )
        )
    return states


def _per_second(
    row: Mapping[str, Any], found: Iterable[Deliveries], breaker: Breaker, now: int
) -> float:
    """Deliveries a second since a pass over a long queue began; 0 where none is under way."""
    began, last = row.get("pass_at"), row.get("last_success")
    queued = sum(one.queued for one in found)
    if began is None or last is None or not began < now or not breaker.closed:
        return 0.0
    if queued < CATCHING_UP or not now - LATELY_MS < last or row.get("last_error"):
        return 0.0
    delivered = sum(one.delivered for one in found) - int(row["pass_delivered"])
    return max(0.0, 1000 * delivered / (now - int(began)))
