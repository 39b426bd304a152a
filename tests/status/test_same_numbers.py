"""Page, `/metrics`, `/healthz` and `status --json` tell the same numbers of the same moment."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from poller.config.load import load
from poller.config.servers import ControllerConfig, JsonlConfig
from poller.config.settings import Settings
from poller.core.build_key import BuildKey
from poller.core.times import iso
from poller.http.breaker import Breaker, BreakerState
from poller.ledger import Ledger
from poller.ledger.controllers import AnsweredPoll
from poller.ledger.records import Batch, BuildRow, Incomplete, JobState
from poller.polling.cycle import PollResult
from poller.status.html import lasted
from poller.status.metrics import Metrics
from poller.status.server import serving
from poller.status.snapshot import snapshot
from tests.support.outbox import queued
from tests.support.simulated_iacm_site import Place, placed
from tests.support.site import free_port

MINUTE, HOUR = 60_000, 3_600_000
SINKS = ("sei", "iacm", "jsonl")
UNWRITABLE = "ledger x: can't write: disk full"
FORMER = {
    "sei": {"queued": 13, "rejected": 3},
    "iacm": {"queued": 8},
    "jsonl": {"queued": 16},
}
"""Deliveries of the controller that the config does not have any more."""


def fill(path: Path, now: int) -> None:
    """Builds of every state on three controllers of the config and on a former one."""
    with Ledger(path) as ledger:
        for place, name in enumerate(("main", "slow", "away", "former")):
            controller = ledger.controllers.get(name, 0).id
            for job in range(place + 1):
                batch = Batch(
                    JobState(f"team/app-{job}"), "Job", builds(10 * place + job, now), 9, place
                )
                ledger.builds.record(controller, batch, SINKS, now - (place + 2) * MINUTE)
        settle(ledger, now)
        polls(ledger, now)
        alone = Breaker(BreakerState.OPEN, now - HOUR, 5, 2, now + MINUTE, "HTTP 502")
        ledger.breakers.keep("controller", "away", alone)
        ledger.breakers.keep("sink", "iacm", alone.half_opened())
        ledger.breakers.keep("sink", "sei logs", alone)


def builds(job: int, now: int) -> list[BuildRow]:
    """One in flight, two skipped, the others collected; some have an execution, some lack a log."""

    def start(number: int) -> BuildKey:
        return BuildKey(number, now - HOUR + number, 100 * job + number)

    def done(number: int, **more: Any) -> BuildRow:
        return BuildRow(start(number), 5, "SUCCESS", "collected", None, b"{}", **more)

    return [
        done(1, execution=b"{}"),
        done(2, execution=b"{}", incomplete=Incomplete(("log",), ("no console log",))),
        done(3, no_execution="no stage tree"),
        done(4, no_execution="no stage"),
        BuildRow(start(5), 5, "ABORTED", "skipped", "excluded"),
        BuildRow(start(6), 5, None, "skipped", "gone"),
        BuildRow(start(7), 0, None, "in_flight"),
    ]


def settle(ledger: Ledger, now: int) -> None:
    """Each sink took some and refused some; one of them has failed since, as has a former sink."""
    for sink, delivered, rejected in (("sei", 21, 6), ("iacm", 7, 2), ("jsonl", 9, 0)):
        waiting = queued(ledger, sink)
        for delivery in waiting[:delivered]:
            ledger.outbox.settle(delivery.id, "delivered", now - MINUTE, 202)
        for delivery in waiting[:2] if sink == "sei" else ():
            ledger.outbox.note_without_logs(delivery.id, "HTTP 404")
        for delivery in waiting[delivered : delivered + rejected]:
            ledger.outbox.settle(delivery.id, "rejected", now - 1, 422, "no")
    ledger.outbox.sink_failed("iacm", now, "iacm: HTTP 503")
    ledger.outbox.sink_failed("mail", now - HOUR, "mail: no route")


def polls(ledger: Ledger, now: int) -> None:
    """One is well, one did not answer its last poll, one has been silent for long."""
    for name, success, error in (
        ("main", now - 5_000, None), ("slow", now - 65_000, "slow: timed out"),
        ("away", now - HOUR, "away: HTTP 502"), ("former", now - HOUR, None),
    ):  # fmt: skip
        row = ledger.controllers.get(name, 0)
        ledger.controllers.polled(row.id, success, AnsweredPoll(1, 10 + row.id, None, success))
        if error is not None:
            ledger.controllers.poll_failed(row.id, now - 2_000, error)


@dataclass
class Answers:
    """What each of the four said of one moment, ``now``, and how the page shows a time."""

    now: int
    page: str
    metrics: str
    health: httpx.Response
    status: dict[str, Any]

    def metric(self, name: str, **labels: str) -> float:
        """One value of `/metrics`."""
        (value,) = [
            sample.value
            for family in text_string_to_metric_families(self.metrics)
            for sample in family.samples
            if sample.name == f"sei_poller_{name}" and sample.labels == labels
        ]
        return value

    def row(self, table: str, name: str) -> dict[str, str]:
        """A row of a table of the page: the text of each cell by its label, and ``State``."""
        part = self.page.partition(f'<div id="{table}"')[2].partition("\n  </div>")[0]
        (row,) = [r for r in part.split('<div class="row" role="row">') if f">{name}</" in r]
        cells = re.findall(r'<span role="cell"[^>]* data-label="([^"]+)">(.*?)</span>\n', row)
        state = re.search(r'<span class="word [a-z]+">([a-z]+)</span>', row)
        assert state is not None
        return {"State": state[1], **{k: re.sub(r"<[^>]+>", "", text) for k, text in cells}}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """All four are asked while nothing is written."""
    with placed(tmp_path_factory.mktemp("same")) as place:
        now = time.time_ns() // 1_000_000
        fill(place.site.ledger, now)
        port = configure(place)
        settings = load(place.site.config, place.site.environ)
        metrics = Metrics(settings)
        metrics.unwritable = UNWRITABLE
        metrics.poll_finished(PollResult("main", jobs=11, asked=4, collected=3), 0.5)

        async def ask() -> list[httpx.Response]:
            async with (
                serving(settings, metrics, lambda: now),
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
            ):
                await answered(http)
                return [await http.get(path) for path in ("/", "/metrics", "/healthz")]

        page, text, health = asyncio.run(ask())
        yield Answers(now, page.text, text.text, health, place.site.read("status"))


def configure(place: Place) -> int:
    """Four controllers, of which one was never polled, and all three sinks; the page's port."""
    port, directory = free_port(), place.site.directory
    controllers = [place.site.controller(name) for name in ("main", "slow", "away", "new")]
    harness = {"url": place.server.url, "account": "a", "org": "o", "project": "p"}
    lines = [f'{key} = "{value}"' for key, value in harness.items()]
    place.site.configure(
        *controllers,
        more="\n".join(
            ("[harness]", *lines, 'api_key_env = "HARNESS_API_KEY"', "allow_http = true",
             f'[jsonl]\npath = "{directory / "runs.jsonl"}"', f'[status]\nlisten = "{port}"')
        ),
    )  # fmt: skip
    return port


async def answered(http: httpx.AsyncClient) -> None:
    """Until the port is listened on."""
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            await http.get("/livez")
            return
        await asyncio.sleep(0.05)
    pytest.fail("no page")


def test_the_ledger_has_something_of_everything(answers: Answers) -> None:
    """Else the comparisons below would compare nothing with nothing."""
    by_name = {one["name"]: one for one in answers.status["controllers"]}
    assert list(by_name) == ["main", "slow", "away", "new"]
    away = by_name["away"]
    assert (away["in_flight"], away["skipped"], away["gaps"]) == (3, 6, 6)
    assert away["skipped_because"] == {"excluded": 3, "gone": 3}
    assert (away["incomplete"]["count"], away["breaker"]["state"]) == (3, "open")
    assert away["sinks"]["iacm"] == {
        "queued": 3, "delivered": 1, "rejected": 2, "oldest_queued": iso(answers.now - 4 * MINUTE),
        "skipped": 6, "skipped_because": {"no stage": 3, "no stage tree": 3},
    }  # fmt: skip
    assert away["sinks"]["sei"]["rejected"] == 3
    assert by_name["main"]["sinks"]["sei"]["delivered"] == 4
    assert by_name["new"]["last_poll"] is None
    assert set(answers.status["sinks"]) == {*SINKS, "mail"}
    assert answers.status["sinks"]["iacm"]["breaker"]["state"] == "half-open"


@pytest.mark.parametrize("name", ["main", "slow", "away", "new"])
def test_a_controller(answers: Answers, name: str) -> None:
    """Jobs, builds, deliveries, last answer and circuit breaker: the same on all of them."""
    (told,) = [one for one in answers.status["controllers"] if one["name"] == name]
    row, health = answers.row("controllers", name), answers.health.text
    assert told["jobs"] == answers.metric("jobs", controller=name)
    for state in ("in_flight", "skipped"):
        assert told[state] == answers.metric("builds", controller=name, state=state)
    assert row["In flight"] == str(told["in_flight"])
    assert told["breaker"]["state"] == breaker(answers.metric, controller=name)
    last = answers.metric("last_answer_timestamp_seconds", controller=name)
    up = answers.metric("controller_up", controller=name)
    assert (told["last_success"] is not None and told["last_success"] == told["last_poll"]) == up
    assert {"well": 1, "late": 0, "failing": 0, "starting": 0}[row["State"]] == up
    assert (f"{name}: " in health) == (row["State"] in ("late", "starting"))
    if last:
        assert told["last_success"] == iso(round(last * 1000))
        lag = round(answers.now - last * 1000)
        assert row["Lag"] == lasted(lag)
        assert lag // 1000 <= told["lag_seconds"]  # asked for a little later
    else:
        assert (told["last_success"], told["lag_seconds"], row["Lag"]) == (None, None, "–")
    for label, key, metric in (
        ("Queued", "queued", "outbox_builds"), ("Rejected", "rejected", "rejected_builds"),
    ):  # fmt: skip
        of_sinks = [told["sinks"][sink][key] for sink in SINKS]
        assert of_sinks == [answers.metric(metric, controller=name, sink=sink) for sink in SINKS]
        assert row[label] == str(sum(of_sinks))
    for sink in SINKS:
        age = answers.metric("outbox_oldest_age_seconds", controller=name, sink=sink)
        oldest = told["sinks"][sink]["oldest_queued"]
        assert oldest == (iso(answers.now - round(age * 1000)) if age else None)


@pytest.mark.parametrize("sink", SINKS)
def test_a_sink(answers: Answers, sink: str) -> None:
    """The page counts over the former controller, too, which the others leave out."""
    row, told = answers.row("sinks", sink), answers.status["sinks"][sink]
    for label, key in (("Queued", "queued"), ("Delivered", "delivered"), ("Rejected", "rejected")):
        of_config = sum(one["sinks"][sink][key] for one in answers.status["controllers"])
        assert int(row[label]) == of_config + FORMER[sink].get(key, 0)
    assert told["breaker"]["state"] == breaker(answers.metric, sink=sink)
    without = 2 if sink == "sei" else 0
    assert told["without_logs"] == answers.metric("builds_without_logs", sink=sink) == without
    up = answers.metric("sink_up", sink=sink)
    assert (told["last_error"] is None) == (row["State"] == "well") == up


def test_logs_that_sei_does_not_take(answers: Answers) -> None:
    """Everywhere the same."""
    assert answers.status["sinks"]["sei"]["logs_breaker"]["state"] == "open"
    assert answers.metric("logs_breaker_state", sink="sei") == 2


def test_a_snapshot_walks_over_no_builds(tmp_path: Path) -> None:
    """However many there are: neither over them, nor over their jobs, deliveries and payloads."""
    fill(tmp_path / "ledger.db", 1_764_000_000_000)
    controller = ControllerConfig(name="main", url="https://j/", user="u", token_env="T")
    settings = Settings(controllers=(controller,), jsonl=JsonlConfig(path="runs.jsonl"))
    said: list[str] = []
    with Ledger(tmp_path / "ledger.db", read_only=True) as ledger:
        ledger.file.conn.set_trace_callback(said.append)
        snapshot(ledger, settings, 1_764_000_000_000)
        ledger.file.conn.set_trace_callback(None)
        steps = [
            step
            for statement in said
            for *_, step in ledger.file.conn.execute(f"explain query plan {statement}")
        ]
    assert len(said) == 8
    few = {"tally", "t", "c", "controller", "breaker", "sink", "s"}
    assert {step.split()[1] for step in steps if step.startswith("SCAN")} <= few, steps


def breaker(metric: Callable[..., float], **label: str) -> str:
    """The state of a breaker in `/metrics`."""
    (kind,) = label
    return ("closed", "half-open", "open")[int(metric(f"{kind}_breaker_state", **label))]


def test_of_the_service_and_its_ledger(answers: Answers) -> None:
    """What only the service knows, and what no builds are."""
    assert answers.metric("ledger_writable") == 0
    assert answers.health.status_code == 503
    assert answers.health.text.startswith(f"{UNWRITABLE}\n")
    assert UNWRITABLE in html.unescape(answers.page)
    asked = answers.metric("jobs_with_news", controller="main")
    assert answers.row("controllers", "main")["News"] == f"{asked:.0f} of 11 jobs, 3 builds"
    assert answers.row("controllers", "away")["News"] == "–"
