"""What the service counts while it runs, for `/metrics`.

One object a service, handed to those that count something; what the ledger knows by itself
is in ``ledger_metrics``. Labels are bounded by the config and by HTTP: a job is never one.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)

from poller import __version__
from poller.config.settings import Settings
from poller.core.events import NoEvents
from poller.delivery.outcome import PassResult
from poller.polling.cycle import PollResult
from poller.status.snapshot import Live

POLL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
LATENCY_SECONDS = (5, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)

ENDPOINTS = (
    "computer/api/json",
    "wfapi/runs",
    "wfapi/describe",
    "tree",
    "allSteps",
    "nodes/",
    "steps/",
    "/log",
    "/log/",
    "logText/progressiveText",
    "testReport/api/json",
    "api/json",
    "custom-cicd",
    "generic-requests/multipart",
    "executions",
)
INSTANCES = "cicd/instances"


# They would double the series, and nothing here reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics(NoEvents):
    """Counters that begin at 0 for every controller and sink of the config, so that the first event
    of each is seen as a rise."""

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        self.unwritable = ""
        """Why the ledger can't be written now; empty while it can."""
        self._changes: dict[str, tuple[int, int]] = {}
        self._declare_polls()
        self._declare_deliveries()
        info = Info("sei_poller", "The program that answers.", registry=self.registry)
        info.info({"version": __version__})
        for controller in settings.controllers:
            self._begin(controller.name, settings.sink_names)
            self.limit_changed(controller.name, controller.max_connections)

    def _declare_polls(self) -> None:
        where, registry = ["controller"], self.registry
        self._polls = Counter(
            "sei_poller_polls",
            "Polls by outcome: ok, partial (some jobs are asked again), failed.",
            [*where, "outcome"],
            registry=registry,
        )
        self._poll_seconds = Histogram(
            "sei_poller_poll_duration_seconds",
            "How long a poll took, from the first request to the last record.",
            where,
            buckets=POLL_SECONDS,
            registry=registry,
        )
        self._collected = Counter(
            "sei_poller_builds_collected", "Builds recorded to be sent.", where, registry=registry
        )
        self._skipped = Counter(
            "sei_poller_builds_skipped",
            "Builds recorded that are not sent, by a rule or because they are gone.",
            where,
            registry=registry,
        )
        self._incomplete = Counter(
            "sei_poller_incomplete_runs",
            "Runs that went without something: record, stages, causes, manifest, log, tests.",
            ["controller", "reason"],
            registry=registry,
        )
        self._tests = Counter(
            "sei_poller_tests",
            "Tests of the builds that were recorded to be sent: passed, failed, skipped.",
            [*where, "outcome"],
            registry=registry,
        )
        self._explained = Counter(
            "sei_poller_failures",
            "Failed builds recorded, by the category of what may be the cause.",
            [*where, "category"],
            registry=registry,
        )
        self._step_logs = Counter(
            "sei_poller_step_logs",
            "Logs of failed steps that were recorded, by who gave them.",
            [*where, "source"],
            registry=registry,
        )
        self._at_once = Gauge(
            "sei_poller_requests_at_once",
            "Requests that a controller gets at once: fewer than max_connections while it is slow.",
            where,
            registry=registry,
        )

    def _declare_deliveries(self) -> None:
        registry = self.registry
        self._requests = Counter(
            "sei_poller_requests",
            "Requests by server (a controller's name, sei or iacm), endpoint and status class;"
            " none: no answer came.",
            ["server", "endpoint", "status"],
            registry=registry,
        )
        self._deliveries = Counter(
            "sei_poller_deliveries",
            "Deliveries by outcome: delivered, rejected.",
            ["controller", "sink", "outcome"],
            registry=registry,
        )
        self._failures = Counter(
            "sei_poller_delivery_failures",
            "Tries of a delivery that left it queued.",
            ["sink"],
            registry=registry,
        )
        self._latency = Histogram(
            "sei_poller_delivery_latency_seconds",
            "From the end of a build to the sink's answer.",
            ["controller", "sink"],
            buckets=LATENCY_SECONDS,
            registry=registry,
        )

    def _begin(self, controller: str, sinks: Sequence[str]) -> None:
        for outcome in ("ok", "partial", "failed"):
            self._polls.labels(controller, outcome)
        self._poll_seconds.labels(controller)
        self._collected.labels(controller)
        self._skipped.labels(controller)
        for outcome in ("passed", "failed", "skipped"):
            self._tests.labels(controller, outcome)
        for sink in sinks:
            self._failures.labels(sink)
            self._latency.labels(controller, sink)
            for outcome in ("delivered", "rejected"):
                self._deliveries.labels(controller, sink, outcome)

    def poll_finished(self, result: PollResult, seconds: float) -> None:
        """A poll is over, after so many seconds."""
        name = result.controller
        self._polls.labels(name, poll_outcome(result)).inc()
        self._poll_seconds.labels(name).observe(seconds)
        self._skipped.labels(name).inc(result.skipped)
        if result.error is None:
            self._changes[name] = (result.asked, result.collected)

    def limit_changed(self, controller: str, limit: int) -> None:
        """So many requests the controller gets at once now."""
        self._at_once.labels(controller).set(limit)

    def request_done(self, server: str, path: str, status: int | None) -> None:
        """One attempt of a request ended."""
        self._requests.labels(server, endpoint(path), status_class(status)).inc()

    def builds_collected(self, controller: str, count: int) -> None:
        """So many builds are new in the outbox."""
        self._collected.labels(controller).inc(count)

    def tests_counted(self, controller: str, total: int, failed: int, skipped: int) -> None:
        """A build that is new in the outbox ran so many tests."""
        passed = max(0, total - failed - skipped)
        for outcome, count in (("passed", passed), ("failed", failed), ("skipped", skipped)):
            self._tests.labels(controller, outcome).inc(count)

    def went_without(self, controller: str, reason: str) -> None:
        """A run that is new in the outbox lacks something."""
        self._incomplete.labels(controller, reason).inc()

    def failure_explained(self, controller: str, category: str) -> None:
        """Of a failed build that is new in the outbox the cause may be of that category."""
        self._explained.labels(controller, category).inc()

    def step_log_kept(self, controller: str, source: str) -> None:
        """The log of a failed step is new in the ledger."""
        self._step_logs.labels(controller, source).inc()

    def delivery_settled(self, sink: str, controller: str, outcome: str, waited_ms: int) -> None:
        """A run has the sink's final answer, so long after its build had ended."""
        self._deliveries.labels(controller, sink, outcome).inc()
        self._latency.labels(controller, sink).observe(waited_ms / 1000)

    def pass_finished(self, sink: str, done: PassResult) -> None:
        """A pass over the queue of a sink is over."""
        stopped = 1 if done.stopped and not done.failures else 0
        self._failures.labels(sink).inc(done.failures + stopped)

    def live(self) -> Live:
        """What a snapshot takes from the service."""
        return Live(self.unwritable, dict(self._changes))


def poll_outcome(result: PollResult) -> str:
    """``ok``, ``partial`` or ``failed``."""
    if result.error is not None:
        return "failed"
    return "partial" if result.partial else "ok"


def endpoint(path: str) -> str:
    """The endpoint of a path, out of a short fixed list: a path holds job names."""
    if INSTANCES in path:
        return INSTANCES
    return next((end for end in ENDPOINTS if path.endswith(end)), "other")


def status_class(status: int | None) -> str:
    """``2xx`` and so on; ``none`` where no answer came."""
    return "none" if status is None else f"{status // 100}xx"
