"""What `/metrics` says, read by Prometheus' own parser, and the rules and panels that rely on it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from poller.status.metrics import endpoint, status_class
from tests.status.conftest import Service, serve
from tests.support.site import Site, simulated

CONFIG = Path(__file__).parents[2] / "config"
LABELS = {"controller", "sink", "outcome", "state", "server", "endpoint", "status", "le", "version"}
NAME = re.compile(r"\bsei_poller_[a-z_]+\b")


def sample(text: str, name: str, **labels: str) -> float:
    """One value."""
    found = [
        s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name == name and labels.items() <= s.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Three builds of which one is rejected, one in flight."""
    with simulated(tmp_path_factory.mktemp("metrics")) as site, serve(site) as running:
        site.jenkins.job("app").build()
        site.jenkins.job("team/other").start()
        site.jenkins.job("team/hidden-name").build()
        running.wait_delivered(2)
        site.sei.fail("*/custom-cicd", status=422, body="no such repository", times=1)
        site.jenkins.job("app").build()
        running.wait(lambda: "rejected 1 build" in running.get("/").text)
        yield running


def test_it_says_what_happened(service: Service) -> None:
    """Polls, requests, builds, deliveries, latency, outbox and ledger."""
    text = service.get("/metrics").text
    main = {"controller": "main"}
    assert sample(text, "sei_poller_polls_total", outcome="ok", **main) >= 2
    assert sample(text, "sei_poller_polls_total", outcome="failed", **main) == 0
    assert sample(text, "sei_poller_poll_duration_seconds_count", **main) >= 2
    assert sample(text, "sei_poller_builds_collected_total", **main) == 3
    assert sample(text, "sei_poller_builds", state="in_flight", **main) == 1
    assert sample(text, "sei_poller_builds", state="collected", **main) == 3
    assert sample(text, "sei_poller_jobs", **main) == 3
    assert sample(text, "sei_poller_controller_up", **main) == 1
    assert sample(text, "sei_poller_poll_interval_seconds", **main) == 1
    sink = {"sink": "sei", **main}
    assert sample(text, "sei_poller_deliveries_total", outcome="delivered", **sink) == 2
    assert sample(text, "sei_poller_deliveries_total", outcome="rejected", **sink) == 1
    assert sample(text, "sei_poller_rejected_builds", **sink) == 1
    assert sample(text, "sei_poller_outbox_builds", **sink) == 0
    assert sample(text, "sei_poller_outbox_oldest_age_seconds", **sink) == 0
    assert sample(text, "sei_poller_delivery_latency_seconds_count", **sink) == 3
    sent = {"server": "sei", "endpoint": "custom-cicd"}
    assert sample(text, "sei_poller_requests_total", status="2xx", **sent) == 2
    assert sample(text, "sei_poller_requests_total", status="4xx", **sent) == 1
    asked = len([r for r in service.site.jenkins.requests if "wfapi" in r.path])
    counted = [
        s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name == "sei_poller_requests_total" and "wfapi" in s.labels["endpoint"]
    ]
    assert asked == sum(counted)
    assert 1e7 < sample(text, "sei_poller_resident_memory_bytes") < 1e9
    assert sample(text, "sei_poller_cpu_seconds_total") > 0
    assert sample(text, "sei_poller_ledger_size_bytes") >= service.site.ledger.stat().st_size


def test_an_outage_shows(site: Site) -> None:
    """What waits, for how long, the tries, and what no longer answers."""
    site.jenkins.job("app").build()
    site.sei.fail(status=503)
    with serve(site) as service:
        service.wait(lambda: 'sei_poller_sink_up{sink="sei"} 0.0' in service.get("/metrics").text)
        text = service.get("/metrics").text
        assert sample(text, "sei_poller_outbox_builds", sink="sei") == 1
        assert sample(text, "sei_poller_outbox_oldest_age_seconds", sink="sei") > 0
        assert sample(text, "sei_poller_delivery_failures_total", sink="sei") >= 1
        site.jenkins_server.stop()
        service.wait(
            lambda: (
                'sei_poller_controller_up{controller="main"} 0.0' in service.get("/metrics").text
            )
        )
        text = service.get("/metrics").text
        assert sample(text, "sei_poller_polls_total", controller="main", outcome="failed") >= 1
        assert "none" in {
            s.labels["status"]
            for family in text_string_to_metric_families(text)
            for s in family.samples
            if s.name == "sei_poller_requests_total"
        }
        site.sei.clear_faults()


def test_names_helps_and_labels(service: Service) -> None:
    """Each has a help text and a conventional name; no label ever holds a job."""
    families = list(text_string_to_metric_families(service.get("/metrics").text))
    for family in families:
        assert family.documentation, family.name
        assert family.name.startswith("sei_poller_"), family.name
        if family.type == "counter":
            assert all(s.name.endswith("_total") for s in family.samples)
        for one in family.samples:
            assert one.labels.keys() <= LABELS, one
            assert "hidden-name" not in str(one.labels)


def test_openmetrics_where_it_is_asked_for(service: Service) -> None:
    """As newer Prometheus do."""
    answer = service.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = openmetrics(answer.text)  # type: ignore[no-untyped-call]
    assert "sei_poller_polls" in {family.name for family in families}


def test_what_is_relied_on_is_exported(service: Service) -> None:
    """Every metric that an alert or a panel names."""
    text = service.get("/metrics").text
    families = list(text_string_to_metric_families(text))
    exported = {sample.name for family in families for sample in family.samples}
    exported |= {f"{family.name}_total" for family in families if family.type == "counter"}
    for name in ("alerts.yml", "grafana-dashboard.json"):
        wanted = set(NAME.findall((CONFIG / name).read_text()))
        assert len(wanted) > 4
        assert set() == wanted - exported, name


def test_the_alerts_are_the_six() -> None:
    """No more: each of them wakes somebody up."""
    assert (CONFIG / "alerts.yml").read_text().count("- alert:") == 6


def test_prometheus_takes_metrics_and_rules(
    service: Service, promtool: str, tmp_path: Path
) -> None:
    """promtool checks both, and every alert fires when it should and not before."""
    rules = [promtool, "check", "rules", str(CONFIG / "alerts.yml")]
    assert subprocess.run(rules, capture_output=True).returncode == 0
    tests = Path(__file__).with_name("alerts.yml")
    done = subprocess.run([promtool, "test", "rules", str(tests)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = service.get("/metrics").text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert subprocess.run([promtool, "check", "rules", str(panels(tmp_path))]).returncode == 0


def panels(directory: Path) -> Path:
    """The dashboard's expressions as rules, for promtool to read."""
    dashboard = json.loads((CONFIG / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 15
    groups = [
        {
            "name": "panels",
            "rules": [
                {"record": f"panel:{place}", "expr": expr.replace("$__rate_interval", "5m")}
                for place, expr in enumerate(expressions)
            ],
        }
    ]
    file = directory / "panels.yml"
    file.write_text(json.dumps({"groups": groups}))
    return file


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ci/job/a/job/b/api/json", "api/json"),
        ("/computer/api/json", "computer/api/json"),
        ("/job/x/7/wfapi/describe", "wfapi/describe"),
        ("/job/x/wfapi/runs", "wfapi/runs"),
        ("/sei/api/v1/custom-cicd", "custom-cicd"),
        ("/sei/api/v1/cicd/instances/6f96", "cicd/instances"),
        ("/job/some-secret-name/", "other"),
    ],
)
def test_endpoints_are_a_short_list(path: str, expected: str) -> None:
    """A path holds job names; a label doesn't."""
    assert expected == endpoint(path)


def test_status_classes() -> None:
    """Bounded, too."""
    assert [status_class(s) for s in (None, 202, 429, 503)] == ["none", "2xx", "4xx", "5xx"]
