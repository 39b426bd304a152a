"""Every parser of what is not Jenkins': SEI, Harness, satellite.yml, the config, the ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from poller import http, register, satellite
from poller.check import jenkins as check_jenkins
from poller.check import network
from poller.check import sei as check_sei
from poller.check.network import Reached
from poller.config import check_secrets, load, show
from poller.delivery import ANSWER_KEPT
from poller.errors import LedgerError, RemoteError
from poller.extract import Extraction
from poller.globs import Globs
from poller.harness import api as harness_api
from poller.harness import render
from poller.harness.executions import is_last
from poller.known_secrets import wiped
from poller.ledger import Ledger
from poller.logs.search import parse, search_logs
from poller.printable import one_line
from poller.render import rejected_json, rejected_lines
from poller.render_status import status_json, status_lines
from poller.status.build_page import build_page
from poller.status.snapshot import incomplete, snapshot
from poller.wiring import Common, policy, sei_api, watch
from poller.wiring import harness_api as wired_harness
from tests.fuzz.corpus import ENVIRON, NOW
from tests.fuzz.targets import JENKINS, Target, _headers
from tests.fuzz.workbench import Workbench


def sei(bench: Workbench, body: bytes) -> None:
    """SEI's answers: to a run, to a question about a GUID, to `register`."""
    assert bench.settings.sei is not None
    for status in (200, 400, 404, 500):
        answer = http.Answer(status, {"Content-Type": "application/json"}, body)
        if (found := check_sei.refusal(answer, "SEI", bench.settings.sei)) is not None:
            bench.tells(found.text())
        try:
            bench.tells(register.line_for(register.guid_of(answer)))
        except RemoteError as error:
            bench.tells(str(error), error.hint)
    _rejected(bench, body)


def _rejected(bench: Workbench, body: bytes) -> None:
    """A run is refused, and its answer kept and shown."""
    text = wiped(body.decode("utf-8", "replace"))[:ANSWER_KEPT]
    for delivery, _job in bench.ledger.outbox.waiting("sei", 1):
        bench.ledger.outbox.settle(delivery, "rejected", NOW, 400, text)
    rows = bench.ledger.outbox.rejected()[-3:]
    bench.shows(*rejected_lines(rows), json.dumps(rejected_json(rows)))


def executions(bench: Workbench, body: bytes) -> None:
    """A page of IaCM's executions, and one of them."""
    answer = http.Answer(200, {}, body)
    harness_api.is_object(body)
    for one_alone in (False, True):
        try:
            every = (
                [harness_api._decode(answer, harness_api.Execution, "one")]
                if one_alone
                else harness_api._decode(answer, list[harness_api.Execution], "executions")
            )
        except RemoteError as error:
            bench.tells(str(error))
            continue
        for one in every[:20]:
            bench.shows(render.line(one), *render.lines(one))
            json.loads(render.written(one, first=True).lstrip("\n,"))
        is_last(harness_api.Page(every, None, 100, None), 0, 5)


def page_headers(bench: Workbench, body: bytes) -> None:
    """The headers that number Harness' pages, and those that `check` looks at."""
    told = _headers(body)
    answer = http.Answer(200, told, b"[]")
    for name in ("X-Page-Number", "X-Page-Size", "X-Total-Elements"):
        harness_api._count(answer, name)
    bench.shows(network.clocks("SEI", told.get("Date", ""), NOW).text())
    for status in (200, 302, 503):
        found = check_jenkins.answers("controller main", Reached([], status, told))
        bench.tells(*(one_line(one.text()) for one in found))


def satellite_yml(bench: Workbench, body: bytes) -> None:
    """The file that SEI lets one download."""
    path = bench.directory / "satellite.yml"
    path.write_bytes(body)
    bench.tells(satellite.integration_id(path))


def config(bench: Workbench, body: bytes) -> None:
    """The config: read, shown, and everything built of it that needs no network."""
    path = bench.directory / "poller.toml"
    path.write_bytes(body)
    settings = load(path, ENVIRON)
    bench.shows(json.dumps(show(settings)), *check_secrets(settings, ENVIRON))

    async def wired() -> None:
        common = Common(policy(settings), Extraction(settings.extract), http.trust)
        for controller in settings.controllers:
            made = watch(controller, common, ENVIRON, lambda: NOW)
            Globs(controller.include, controller.exclude).selects("team/app")
            await made.api.aclose()
        if settings.sei is not None:
            await sei_api(settings.sei, ENVIRON).aclose()
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
    status_lines(status_json(state, incomplete(opened, settings)))
    opened.jobs.states(1)
    opened.jobs.samples(1, 3)
    for job in opened.jobs.states(1).values():
        opened.builds.of_job(job, [1, 2, 3])
    for sink in ("sei", "iacm"):
        for delivery, _job in opened.outbox.waiting(sink, 10):
            opened.outbox.queued(sink, delivery)
    rejected_lines(opened.outbox.rejected())
    for row in opened.history.recent(2 * NOW, 5):
        build_page(opened, row["id"])
        opened.logs.text(row["id"])
    list(opened.executions.recorded(1, 0))
    if parse("app"):
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
