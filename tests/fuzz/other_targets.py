"""Every parser of what is not Jenkins': SEI, Harness, satellite.yml, the config, the ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from poller.actions.check.jenkins import answers
from poller.actions.check.network import Reached, clocks
from poller.actions.check.sei import refusal
from poller.actions.register import guid_of, integration_id, line_for
from poller.cli.executions import execution_line, execution_lines, execution_text
from poller.cli.render import rejected_json, rejected_lines
from poller.cli.render_status import status_json, status_lines
from poller.config.load import check_secrets, load, show
from poller.config.network import trust
from poller.context import SharedParts, controller_of_config, mapping_config, sei_client
from poller.context import iacm_client as wired_harness
from poller.core.errors import LedgerError, RemoteError
from poller.core.escape import escape_line
from poller.core.events import NO_EVENTS
from poller.core.known_secrets import mask
from poller.core.patterns import Globs
from poller.delivery.iacm_client import (
    Execution,
    ExecutionPage,
    decode_execution,
    is_last,
    is_object,
    total_pages,
)
from poller.delivery.sender import ANSWER_KEPT
from poller.http.errors import HttpResponse
from poller.ledger import Ledger
from poller.ledger.logs.search import parse_query, search_logs
from poller.mapping.extract import Extraction
from poller.status.build_page import build_page
from poller.status.snapshot import failures, incomplete, snapshot, waiting_alone
from tests.fuzz.corpus import ENVIRON, NOW
from tests.fuzz.targets import JENKINS, Target, headers_of
from tests.fuzz.workbench import Workbench
from tests.support.outbox import queued, waiting


def sei(bench: Workbench, body: bytes) -> None:
    """SEI's answers: to a run, to a question about a GUID, to `register`."""
    assert bench.settings.sei is not None
    for status in (200, 400, 404, 500):
        answer = HttpResponse(status, {"Content-Type": "application/json"}, body)
        if (found := refusal(answer, "SEI", bench.settings.sei)) is not None:
            bench.tells(found.text())
        try:
            bench.tells(line_for(guid_of(answer)))
        except RemoteError as error:
            bench.tells(str(error), error.hint)
    _rejected(bench, body)


def _rejected(bench: Workbench, body: bytes) -> None:
    """A run is refused, and its answer kept and shown."""
    text = mask(body.decode("utf-8", "replace"))[:ANSWER_KEPT]
    for delivery in waiting(bench.ledger, "sei", 1):
        bench.ledger.outbox.settle(delivery, "rejected", NOW, 400, text)
    rows = bench.ledger.outbox.rejected()[-3:]
    bench.shows(*rejected_lines(rows), json.dumps(rejected_json(rows)))


def executions(bench: Workbench, body: bytes) -> None:
    """A page of IaCM's executions, and one of them."""
    answer = HttpResponse(200, {}, body)
    is_object(body)
    for one_alone in (False, True):
        try:
            every = (
                [decode_execution(answer, Execution, "one")]
                if one_alone
                else decode_execution(answer, list[Execution], "executions")
            )
        except RemoteError as error:
            bench.tells(str(error))
            continue
        for one in every[:20]:
            bench.shows(execution_line(one), *execution_lines(one))
            json.loads(execution_text(one, first=True).lstrip("\n,"))
        is_last(ExecutionPage(every, None, 100, None), 0, 5)


def page_headers(bench: Workbench, body: bytes) -> None:
    """The headers that number Harness' pages, and those that `check` looks at."""
    told = headers_of(body)
    answer = HttpResponse(200, told, b"[]")
    for name in ("X-Page-Number", "X-Page-Size", "X-Total-Elements"):
        total_pages(answer, name)
    bench.shows(clocks("SEI", told.get("Date", ""), NOW).text())
    for status in (200, 302, 503):
        found = answers("controller main", Reached([], status, told))
        bench.tells(*(escape_line(one.text()) for one in found))


def satellite_yml(bench: Workbench, body: bytes) -> None:
    """The file that SEI lets one download."""
    path = bench.directory / "satellite.yml"
    path.write_bytes(body)
    bench.tells(integration_id(path))


def config(bench: Workbench, body: bytes) -> None:
    """The config: read, shown, and everything built of it that needs no network."""
    path = bench.directory / "poller.toml"
    path.write_bytes(body)
    settings = load(path, ENVIRON)
    bench.shows(json.dumps(show(settings)), *check_secrets(settings, ENVIRON))

    async def wired() -> None:
        common = SharedParts(
            mapping_config(settings), Extraction(settings.extract), trust,
            bench.ledger, settings.sink_names, lambda: NOW, NO_EVENTS,
        )  # fmt: skip
        for controller in settings.controllers:
            made = controller_of_config(controller, common, ENVIRON)
            Globs(controller.include, controller.exclude).selects("team/app")
            await made.client.aclose()
        if settings.sei is not None:
            await sei_client(settings.sei, ENVIRON).aclose()
        if settings.harness is not None:
            await wired_harness(settings.harness, ENVIRON).aclose()

    bench.run(wired())


def ledger(bench: Workbench, body: bytes) -> None:
    """A file that somebody else wrote, or a disk damaged, where the ledger should be."""
    directory = bench.directory / "damaged"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    path = directory / "ledger.db"
    path.write_bytes(body)
    for read_only in (True, False):
        try:
            with Ledger(path, read_only=read_only) as opened:
                _read_all(bench, opened)
        except LedgerError as error:
            bench.tells(str(error), error.hint)


def _read_all(bench: Workbench, opened: Ledger) -> None:
    settings = bench.settings.model_copy(
        update={"ledger": bench.settings.ledger.model_copy(update={"path": str(opened.path)})}
    )
    state = snapshot(opened, settings, NOW)
    alone, why = waiting_alone(opened, state), failures(opened, settings, NOW)
    status_lines(status_json(state, incomplete(opened, settings), alone, why))
    opened.jobs.states(1)
    opened.jobs.samples(1, 3)
    for job in opened.jobs.states(1).values():
        opened.builds.of_job(job, [1, 2, 3])
    for sink in ("sei", "iacm"):
        queued(opened, sink, 10)
    rejected_lines(opened.outbox.rejected())
    for row in opened.page_queries.recent(2 * NOW, 5):
        build_page(opened, row["id"])
        opened.logs.text(row["id"])
    list(opened.executions.recorded(1, 0))
    if parse_query("app"):
        search_logs(opened, "app", 0, None, None, 5)


def a_ledger(bench: Workbench) -> bytes:
    """The bytes of a good one, with builds, deliveries, logs."""
    path: Path = bench.directory / "ledger.db"
    for kind in ("builds", "console"):
        for body in bench.seeds[kind][-2:]:
            JENKINS[kind][0](bench, body)
    bench.ledger.file.conn.execute("pragma wal_checkpoint(truncate)")
    return path.read_bytes()


OTHER: Mapping[str, tuple[Target, int]] = {
    "sei": (sei, 5),
    "executions": (executions, 6),
    "execution": (executions, 3),
    "page-headers": (page_headers, 4),
    "satellite": (satellite_yml, 4),
    "config": (config, 2),
    "ledger": (ledger, 1),
}
"""By name: the target, and its share of a campaign."""

TARGETS: Mapping[str, tuple[Target, int]] = {**JENKINS, **OTHER}
