"""What the first page shows, gathered from one state of the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from poller.breaker import Breaker
from poller.ledger import Ledger
from poller.servers import ControllerConfig
from poller.settings import Settings
from poller.status.chart import HOUR_MS, DayChart, day_chart
from poller.status.health import every_words, late
from poller.status.summary import SKIPPED
from poller.status.verdict import ControllerState, Problem, SinkState, all_well, problems

DAY_MS = 24 * HOUR_MS
WEEK_DAYS = 7
RECENT, REJECTED, FAILING = 20, 10, 10


class News(Protocol):
    """Knows what the last poll of a controller found."""

    def news(self, controller: str) -> tuple[int, int] | None:
        """Jobs asked, builds collected; None before the first."""


@dataclass(frozen=True)
class Overview:
    """The first page, from top to bottom. Times are epoch milliseconds."""

    now: int
    problems: list[Problem]
    well: str
    controllers: list[ControllerState]
    sinks: list[SinkState]
    charts: list[DayChart]
    week_since: int
    results: dict[str, int]
    failing: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    recent: list[dict[str, Any]]


def overview(
    ledger: Ledger, settings: Settings, news: News, now: int, unwritable: str = ""
) -> Overview:
    """``unwritable`` is why the ledger can't be written, where it can't. Raises LedgerError."""
    history, free = ledger.history, shutil.disk_usage(ledger.path.parent).free
    seen = {row["name"]: row for row in ledger.controllers.all()}
    hours = history.hours(now - DAY_MS, now)
    sinks = sink_states(ledger, settings, seen, hours)
    controllers = controller_states(settings, seen, ledger.breakers.all("controller"), news, now)
    week_since = (now // DAY_MS - WEEK_DAYS + 1) * DAY_MS
    rejected = [row for sink in settings.sink_names for row in history.rejected(sink, REJECTED)]
    return Overview(
        now=now,
        problems=problems(controllers, sinks, free, now, unwritable),
        well=all_well(controllers, sinks),
        controllers=controllers,
        sinks=sinks,
        charts=[day_chart(hours, sink, now) for sink in settings.sink_names],
        week_since=week_since,
        results=history.results(week_since, now),
        failing=history.failing(week_since, now, FAILING),
        rejected=sorted(rejected, key=lambda row: row["at"], reverse=True)[:REJECTED],
        recent=history.recent(now + DAY_MS, RECENT),
    )


def controller_states(
    settings: Settings,
    seen: Mapping[str, Mapping[str, Any]],
    breakers: Mapping[str, Breaker],
    news: News,
    now: int,
) -> list[ControllerState]:
    """Those of the config, in its order, with what the ledger has of them."""
    return [
        controller_state(
            controller,
            seen.get(controller.name, {}),
            breakers.get(controller.name, Breaker()),
            news,
            now,
        )
        for controller in settings.controllers
    ]


def controller_state(
    controller: ControllerConfig, row: Mapping[str, Any], breaker: Breaker, news: News, now: int
) -> ControllerState:
    """One controller."""
    tally: Mapping[tuple[str, str], int] = row.get("tally", {})
    asked, collected = news.news(controller.name) or (None, None)
    success, error = row.get("last_success"), row.get("last_error")
    return ControllerState(
        name=controller.name,
        every=every_words(controller),
        jobs=row.get("jobs", 0),
        last_poll=row.get("last_poll"),
        last_success=success,
        error=error,
        late=late(controller, success, error, breaker, now),
        asked=asked,
        collected=collected,
        in_flight=tally.get(("", "in_flight"), 0),
        skipped=sum(
            n for (sink, state), n in tally.items() if not sink and state.startswith(SKIPPED)
        ),
        queued=sum(n for (sink, state), n in tally.items() if sink and state == "queued"),
        rejected=sum(n for (_, state), n in tally.items() if state == "rejected"),
        breaker=breaker,
    )


def sink_states(
    ledger: Ledger,
    settings: Settings,
    seen: Mapping[str, Mapping[str, Any]],
    hours: list[dict[str, Any]],
) -> list[SinkState]:
    """The sinks of the config, over all controllers. ``hours`` are those of the last day; what was
    rejected in them and sent again since is no problem any more."""
    known = {row["name"]: row for row in ledger.outbox.sinks()}
    breakers = ledger.breakers.all("sink")
    oldest = ledger.outbox.oldest_queued()

    def count(sink: str, state: str) -> int:
        return sum(row["tally"].get((sink, state), 0) for row in seen.values())

    def lately(sink: str) -> int:
        return sum(row["rejected"] for row in hours if row["sink"] == sink)

    return [
        SinkState(
            name=name,
            queued=count(name, "queued"),
            oldest=min((row["at"] for row in oldest if row["sink"] == name), default=None),
            delivered=count(name, "delivered"),
            rejected=count(name, "rejected"),
            rejected_lately=min(lately(name), count(name, "rejected")),
            last_success=known.get(name, {}).get("last_success"),
            error=known.get(name, {}).get("last_error"),
            breaker=breakers.get(name, Breaker()),
        )
        for name in settings.sink_names
    ]
