"""What `/metrics` says out of the ledger: it is right after a restart, too."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from poller.breaker import Breaker, State
from poller.ledger import Ledger
from poller.ledger.breakers import Kind
from poller.settings import Settings
from poller.status.health import interval

BREAKER = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
BUILD_STATES = ("in_flight", "collected", "skipped")


class LedgerGauges(Collector):
    """Gauges of one state of the ledger, for the controllers and sinks of the config.

    ``others`` are collected first.
    """

    def __init__(self, ledger: Ledger, settings: Settings, others: Collector, now: int) -> None:
        self._ledger = ledger
        self._settings = settings
        self._others = others
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """All metrics. Raises LedgerError."""
        yield from self._others.collect()
        seen = {row["name"]: row for row in self._ledger.controllers.all()}
        rows = [(c.name, seen.get(c.name, {})) for c in self._settings.controllers]
        yield from self._polls(rows)
        yield from self._builds(rows)
        yield from self._outbox(rows)
        yield from self._sinks()
        yield from self._breakers()
        yield from self._file()
        yield from _process()

    def _polls(self, rows: list[tuple[str, dict[str, Any]]]) -> Iterator[Metric]:
        jobs = _gauge("jobs", "Jobs that are watched.", "controller")
        up = _gauge("controller_up", "Whether the last poll got an answer.", "controller")
        last = _gauge(
            "last_answer_timestamp_seconds",
            "When a poll was last answered, seconds since the epoch; 0: never.",
            "controller",
        )
        for name, row in rows:
            success = row.get("last_success")
            jobs.add_metric([name], row.get("jobs", 0))
            up.add_metric([name], float(success is not None and success == row["last_poll"]))
            last.add_metric([name], (success or 0) / 1000)
        yield from (jobs, up, last)
        between = _gauge(
            "poll_interval_seconds",
            "Time between two polls; of a cron line, the longest gap ahead.",
            "controller",
        )
        for controller in self._settings.controllers:
            between.add_metric([controller.name], interval(controller, self._now) / 1000)
        yield between

    def _builds(self, rows: list[tuple[str, dict[str, Any]]]) -> Iterator[Metric]:
        builds = _gauge("builds", "Builds in the ledger by state.", "controller", "state")
        for name, row in rows:
            counts = dict.fromkeys(BUILD_STATES, 0)
            for (sink, state), count in row.get("tally", {}).items():
                if not sink:
                    counts[state.partition(":")[0]] += count
            for state, count in counts.items():
                builds.add_metric([name, state], count)
        yield builds

    def _outbox(self, rows: list[tuple[str, dict[str, Any]]]) -> Iterator[Metric]:
        labels = ("controller", "sink")
        queued = _gauge("outbox_builds", "Builds that wait for a sink.", *labels)
        age = _gauge("outbox_oldest_age_seconds", "For how long the oldest one waits.", *labels)
        rejected = _gauge("rejected_builds", "Builds that a sink refused for good.", *labels)
        oldest = {
            (row["controller"], row["sink"]): row["at"]
            for row in self._ledger.outbox.oldest_queued()
        }
        for name, row in rows:
            tally = row.get("tally", {})
            for sink in self._settings.sink_names:
                at = oldest.get((name, sink))
                queued.add_metric([name, sink], tally.get((sink, "queued"), 0))
                rejected.add_metric([name, sink], tally.get((sink, "rejected"), 0))
                age.add_metric([name, sink], 0 if at is None else max(0, self._now - at) / 1000)
        yield from (queued, age, rejected)

    def _sinks(self) -> Iterator[Metric]:
        up = _gauge("sink_up", "Whether the sink takes builds, as far as is known.", "sink")
        known = {row["name"]: row for row in self._ledger.outbox.sinks()}
        for sink in self._settings.sink_names:
            up.add_metric([sink], 0 if known.get(sink, {}).get("last_error") else 1)
        yield up

    def _breakers(self) -> Iterator[Metric]:
        names: dict[Kind, Iterable[str]] = {
            "controller": [one.name for one in self._settings.controllers],
            "sink": self._settings.sink_names,
        }
        for kind, of_kind in names.items():
            gauge = _gauge(
                f"{kind}_breaker_state",
                "0 closed, 1 half-open (tried with one request), 2 open (left alone).",
                kind,
            )
            kept = self._ledger.breakers.all(kind)
            for name in of_kind:
                gauge.add_metric([name], BREAKER[kept.get(name, Breaker()).state])
            yield gauge

    def _file(self) -> Iterator[Metric]:
        size = _gauge("ledger_size_bytes", "The ledger's file with its write-ahead log.")
        size.add_metric([], self._ledger.history.size())
        free = _gauge("ledger_free_bytes", "Room that is left on the ledger's disk.")
        free.add_metric([], shutil.disk_usage(self._ledger.path.parent).free)
        yield from (size, free)


def _process() -> Iterator[Metric]:
    # prometheus-client's own collector needs /proc/stat, which the unit's ProcSubset=pid hides.
    cpu = CounterMetricFamily("sei_poller_cpu_seconds", "CPU time of the program.")
    cpu.add_metric([], time.process_time())
    yield cpu
    with contextlib.suppress(OSError):  # only Linux has it
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident = _gauge("resident_memory_bytes", "Memory that the program has.")
        resident.add_metric([], pages * os.sysconf("SC_PAGE_SIZE"))
        yield resident


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sei_poller_{name}", text, labels=labels)
