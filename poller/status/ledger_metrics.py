"""What `/metrics` says out of a snapshot: it is right after a restart, too. Pure but for what the
process uses."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from poller.delivery.failed_logs.sending import SEI
from poller.http.breaker import Breaker, BreakerState
from poller.status.snapshot import Snapshot

BREAKER = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class LedgerMetrics(Collector):
    """Metrics of one snapshot. ``others`` are collected first."""

    def __init__(self, snapshot: Snapshot, others: Collector) -> None:
        self._snapshot = snapshot
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        yield from self._others.collect()
        yield from self._polls()
        yield from self._builds()
        yield from self._deliveries()
        yield from self._sinks()
        yield from self._ledger()
        yield from _process()

    def _polls(self) -> Iterator[Metric]:
        jobs = _gauge("jobs", "Jobs that are watched.", "controller")
        asked = _gauge("jobs_with_news", "Jobs that the last poll had to ask.", "controller")
        up = _gauge("controller_up", "Whether the last poll got an answer.", "controller")
        last = _gauge(
            "last_answer_timestamp_seconds",
            "When a poll was last answered, seconds since the epoch; 0: never.",
            "controller",
        )
        known = _gauge(
            "instance_guid_known", "0 where SEI says that it does not know it.", "controller"
        )
        between = _gauge(
            "poll_interval_seconds",
            "Time between two polls; of a cron line, the longest gap ahead.",
            "controller",
        )
        for one in self._snapshot.controllers:
            jobs.add_metric([one.name], one.jobs)
            if one.asked is not None:
                asked.add_metric([one.name], one.asked)
            up.add_metric([one.name], float(one.answered))
            last.add_metric([one.name], (one.last_success or 0) / 1000)
            between.add_metric([one.name], one.interval / 1000)
            known.add_metric([one.name], 0 if one.guid_problem else 1)
        yield from (jobs, asked, up, last, between, known)
        yield _breakers("controller", {c.name: c.breaker for c in self._snapshot.controllers})

    def _builds(self) -> Iterator[Metric]:
        builds = _gauge("builds", "Builds in the ledger by state.", "controller", "state")
        for one in self._snapshot.controllers:
            for state, count in one.builds.items():
                builds.add_metric([one.name, state], count)
        yield builds

    def _deliveries(self) -> Iterator[Metric]:
        labels = ("controller", "sink")
        queued = _gauge("outbox_builds", "Builds that wait for a sink.", *labels)
        age = _gauge("outbox_oldest_age_seconds", "For how long the oldest one waits.", *labels)
        rejected = _gauge("rejected_builds", "Builds that a sink refused for good.", *labels)
        for one in self._snapshot.controllers:
            for sink in self._snapshot.sinks:
                found, names = one.sinks[sink.name], [one.name, sink.name]
                waits = 0 if found.oldest is None else max(0, self._snapshot.now - found.oldest)
                queued.add_metric(names, found.queued)
                rejected.add_metric(names, found.rejected)
                age.add_metric(names, waits / 1000)
        yield from (queued, age, rejected)

    def _sinks(self) -> Iterator[Metric]:
        up = _gauge("sink_up", "Whether the sink takes builds, as far as is known.", "sink")
        alone = _gauge("failing_builds", "Builds that fail while others are delivered.", "sink")
        without = _gauge("builds_without_logs", "Failed builds sent without their logs.", "sink")
        for sink in self._snapshot.sinks:
            up.add_metric([sink.name], 0 if sink.error else 1)
            alone.add_metric([sink.name], sink.alone[0])
            without.add_metric([sink.name], sink.without_logs)
        yield from (up, alone, without)
        yield _breakers("sink", {sink.name: sink.breaker for sink in self._snapshot.sinks})
        logs = {sink.name: sink.logs_breaker for sink in self._snapshot.sinks if sink.name == SEI}
        yield _breakers("sink", logs, of="logs")

    def _ledger(self) -> Iterator[Metric]:
        ledger = self._snapshot.ledger
        for name, text, value in (
            (
                "ledger_writable",
                "Whether what is collected and delivered can be recorded; while not, neither is"
                " done.",
                0 if self._snapshot.unwritable else 1,
            ),
            ("ledger_size_bytes", "The ledger's file with its write-ahead log.", ledger.used),
            ("ledger_free_bytes", "Room that is left on the ledger's disk.", ledger.free),
        ):
            gauge = _gauge(name, text)
            gauge.add_metric([], value)
            yield gauge


def _breakers(kind: str, breakers: Mapping[str, Breaker], of: str = "") -> Metric:
    gauge = _gauge(
        f"{of or kind}_breaker_state",
        "0 closed, 1 half-open (tried with one request), 2 open (not asked).",
        kind,
    )
    for name, breaker in breakers.items():
        gauge.add_metric([name], BREAKER[breaker.state])
    return gauge


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
