"""The numbers of one moment, read once: page, `/metrics`, health and `status` only render them.

What is read costs about the same with a thousand builds in the ledger and with a million.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from poller.config.servers import ControllerConfig
from poller.config.settings import Settings
from poller.core.errors import LedgerError
from poller.core.times import DAY_MS
from poller.http.breaker import Breaker
from poller.ledger import Ledger
from poller.status.health import Overdue, every_words, interval, overdue
from poller.status.sinks import Deliveries, SinkState, sink_states
from poller.status.stages import StagesState, stages_state

SKIPPED = "skipped: "
"""The states of skipped builds begin with it; the reason follows."""

SHOWN = 10
"""Runs that fail while others are delivered, of a sink, that are named."""

NEWEST = 3
"""Incomplete runs, and failed ones, that are named."""


WEEK_MS = 7 * DAY_MS


@dataclass(frozen=True)
class Live:
    """What only the service knows: why the ledger can't be written (empty while it can), and of the
    last poll of each controller that was answered, the jobs asked and builds collected."""

    unwritable: str = ""
    changes: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class LedgerSize:
    """Bytes of the ledger's file with its write-ahead log, and bytes free on its disk."""

    used: int
    free: int


@dataclass(frozen=True)
class ControllerState:
    """One controller of the config, now. Times are epoch milliseconds; ``interval`` is in
    milliseconds.

    ``asked`` and ``collected`` are of the last poll, None where this process has seen none yet.
    ``builds`` counts those in the ledger by state, ``skipped_because`` the skipped ones by reason.
    ``sinks`` has every sink of the config, and those of before that still have deliveries.
    """

    name: str
    every: str
    interval: int
    jobs: int
    last_poll: int | None
    last_success: int | None
    error: str | None
    overdue: Overdue | None
    asked: int | None
    collected: int | None
    builds: Mapping[str, int]
    skipped_because: Mapping[str, int] = field(default_factory=dict)
    sinks: Mapping[str, Deliveries] = field(default_factory=dict)
    breaker: Breaker = field(default_factory=Breaker)
    stages: StagesState | None = None
    guid_problem: str | None = None
    """Why SEI drops its runs, or they wait for it."""

    @property
    def answered(self) -> bool:
        """The last poll got an answer."""
        return self.last_poll is not None and self.last_poll == self.last_success

    @property
    def state(self) -> Literal["late", "failing", "partly", "well", "starting"]:
        """Its state in a word."""
        if self.last_poll is None:
            return "starting"
        if self.overdue is not None:
            return "late"
        if not self.answered:
            return "failing"
        return "partly" if self.error else "well"

    @property
    def queued(self) -> int:
        """Deliveries that wait, for any sink."""
        return sum(sink.queued for sink in self.sinks.values())

    @property
    def rejected(self) -> int:
        """Deliveries that any sink refused."""
        return sum(sink.rejected for sink in self.sinks.values())

    def lag(self, now: int) -> int | None:
        """Milliseconds since the last poll that was answered; None before the first."""
        return None if self.last_success is None else max(0, now - self.last_success)


@dataclass(frozen=True)
class Snapshot:
    """The service and its ledger at ``now`` (epoch milliseconds). ``controllers`` and ``sinks`` are
    those of the config, in its order; ``former_sinks`` only the ledger has."""

    now: int
    unwritable: str
    ledger: LedgerSize
    controllers: tuple[ControllerState, ...]
    sinks: tuple[SinkState, ...]
    former_sinks: tuple[SinkState, ...] = ()


@dataclass(frozen=True)
class IncompleteRuns:
    """What the ledger lacks of a controller: ``gaps`` are numbers without a build, ``count`` the
    runs that went without something, ``by_reason`` how many without what, ``newest`` the last of
    those: job, number, why. ``pending`` counts by kind the builds that are asked for again,
    ``oldest`` are those that wait longest."""

    gaps: int
    count: int
    newest: list[dict[str, Any]]
    by_reason: dict[str, int] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    oldest: list[dict[str, Any]] = field(default_factory=list)


def snapshot(ledger: Ledger, settings: Settings, now: int, live: Live | None = None) -> Snapshot:
    """All numbers, for the controllers and sinks of the config. Raises LedgerError."""
    live = live or Live()
    stages = ledger.stage_sources.all()
    rows = {r["name"]: {**r, "stages": stages.get(r["name"])} for r in ledger.controllers.all()}
    oldest = {(r["controller"], r["sink"]): r["at"] for r in ledger.outbox.oldest_queued()}
    names, breakers = settings.sink_names, ledger.breakers.all("controller")
    sinks = {name: _deliveries(row, names, oldest) for name, row in rows.items()}
    unused = dict.fromkeys(names, Deliveries())
    states = sink_states(ledger, names, list(sinks.values()), now)
    return Snapshot(
        now=now,
        unwritable=live.unwritable,
        ledger=_ledger_size(ledger),
        controllers=tuple(
            _controller(
                one, rows.get(one.name, {}), sinks.get(one.name, unused),
                breakers.get(one.name, Breaker()), live, now,
            )
            for one in settings.controllers
        ),
        sinks=tuple(state for state in states if state.name in names),
        former_sinks=tuple(state for state in states if state.name not in names),
    )  # fmt: skip


def incomplete(ledger: Ledger, settings: Settings) -> dict[str, IncompleteRuns]:
    """By controller of the config: a walk over all jobs, so no part of a snapshot.
    Raises LedgerError."""
    gaps = ledger.controllers.gaps()
    return {
        one.name: IncompleteRuns(
            gaps.get(one.name, 0),
            ledger.incomplete.count(one.name),
            ledger.incomplete.newest(one.name, NEWEST),
            ledger.incomplete.by_reason(one.name),
            ledger.pending.counts(one.name),
            ledger.pending.shown(one.name, NEWEST),
        )
        for one in settings.controllers
    }


@dataclass(frozen=True)
class FailureCounts:
    """Why builds of a controller failed in the last week: how many by category, and the last ones
    recorded."""

    by_category: dict[str, int]
    newest: list[dict[str, Any]]


def failures(ledger: Ledger, settings: Settings, now: int) -> dict[str, FailureCounts]:
    """By controller of the config: a walk over a week of failures, so no part of a snapshot.
    Raises LedgerError."""
    since, kept = now - WEEK_MS, ledger.failures
    return {
        one.name: FailureCounts(
            kept.by_category(one.name, since), kept.newest(one.name, since, NEWEST)
        )
        for one in settings.controllers
    }


def waiting_alone(ledger: Ledger, state: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """By sink, the first of the runs that fail while others are delivered. Raises LedgerError."""
    return {
        sink.name: ledger.queue.waiting_alone(sink.name, SHOWN)
        for sink in (*state.sinks, *state.former_sinks)
        if sink.alone[0]
    }


def _controller(
    controller: ControllerConfig,
    row: Mapping[str, Any],
    sinks: Mapping[str, Deliveries],
    breaker: Breaker,
    live: Live,
    now: int,
) -> ControllerState:
    builds = {"in_flight": 0, "collected": 0, "skipped": 0}
    counts = _states(row, "")
    for state, count in counts.items():
        builds[state.partition(":")[0]] += count
    asked, collected = live.changes.get(controller.name, (None, None))
    success, error = row.get("last_success"), row.get("last_error")
    return ControllerState(
        name=controller.name,
        every=every_words(controller),
        interval=interval(controller, now),
        jobs=row.get("jobs", 0),
        last_poll=row.get("last_poll"),
        last_success=success,
        error=error,
        overdue=overdue(controller, success, error, breaker, now),
        asked=asked,
        collected=collected,
        builds=builds,
        skipped_because=_reasons(counts),
        sinks=sinks,
        breaker=breaker,
        stages=stages_state(row.get("stages")) if controller.stages != "none" else None,
        guid_problem=row.get("guid_problem"),
    )


def _deliveries(
    row: Mapping[str, Any], names: Iterable[str], oldest: Mapping[tuple[str, str], int | None]
) -> dict[str, Deliveries]:
    """By sink: those of the config, and those that the controller has deliveries for."""
    found = {}
    for name in dict.fromkeys((*names, *(sink for sink, _ in row["tally"] if sink))):
        counts = _states(row, name)
        found[name] = Deliveries(
            queued=counts.get("queued", 0),
            delivered=counts.get("delivered", 0),
            rejected=counts.get("rejected", 0),
            oldest=oldest.get((row["name"], name)),
            skipped=_reasons(counts),
        )
    return found


def _states(row: Mapping[str, Any], sink: str) -> dict[str, int]:
    """A controller's counts by state: of builds where ``sink`` is empty, else of deliveries."""
    return {state: count for (of, state), count in row.get("tally", {}).items() if of == sink}


def _reasons(counts: Mapping[str, int]) -> dict[str, int]:
    return {
        state.removeprefix(SKIPPED): count
        for state, count in counts.items()
        if state.startswith(SKIPPED) and count
    }


def _ledger_size(ledger: Ledger) -> LedgerSize:
    try:
        free = shutil.disk_usage(ledger.path.parent).free
        return LedgerSize(ledger.page_queries.size(), free)
    except OSError as error:
        raise LedgerError(f"ledger {ledger.path}: can't read its size: {error.strerror}") from error
