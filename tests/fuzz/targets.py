"""Every parser of an answer of Jenkins', from the bytes to the ledger, by the kind of the answer."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from poller.cli.render import reconcile_line
from poller.cli.render_logs import hit_lines
from poller.core.build_key import BuildKey
from poller.core.errors import RemoteError
from poller.core.escape import escape_line
from poller.core.patterns import Globs
from poller.http.errors import HttpResponse, raise_for_status
from poller.http.retry import retry_after
from poller.jenkins.build import Build
from poller.jenkins.build_pages import newest_builds, whole_build
from poller.jenkins.discovery import PIPELINE_JOB, fetch_items
from poller.jenkins.history import summaries
from poller.jenkins.item import Item
from poller.jenkins.paths import build_of_url, job_path
from poller.jenkins.running_builds import fetch_running
from poller.jenkins.stage import PIPELINE_RUN, StageTree
from poller.ledger.logs.search import first_line, parse_query, search_logs
from poller.ledger.records import JobState
from poller.mapping.scm import without_credentials
from poller.mapping.stages import run_stages
from poller.polling.changes import assume_running, missing_jobs, should_ask
from poller.polling.collect import collect
from poller.polling.extras.console_log import LogCollector
from poller.polling.history import Scope
from poller.polling.reconciliation import compared, is_due
from poller.polling.recording import batch, unfinished
from poller.polling.verify_controller import identity_of
from tests.fuzz.corpus import NOW
from tests.fuzz.workbench import Workbench

Target: TypeAlias = Callable[[Workbench, bytes], None]
"""Gives one answer to its parser and what follows. Raises PollerError where it is no good."""


def _name(body: bytes) -> str:
    """Some inputs meet in one job, which so has a history."""
    return f"team/job-{zlib.crc32(body) % 40:02}"


def _collected(bench: Workbench, body: bytes, **hostile: bytes) -> None:
    """One job collected and recorded, as a poll does it."""
    controller, _ = bench.controller(**hostile)
    name = _name(body)
    states = bench.ledger.jobs.states(bench.row.id)
    job = states.get(name, JobState(name))
    item = Item(name, PIPELINE_JOB, max(5, job.progress.next_build_number or 1))

    async def work() -> None:
        async for page in collect(controller, item, job, Scope(bench.row, 0)):
            bench.tells(*map(escape_line, unfinished(page)))
            bench.record(batch(controller, item, page))

    bench.run(work())
    # A job that fails is put off; the next look must find it as it was.
    if "good" not in hostile:
        bench.ledger.jobs.put_off(bench.row.id, job, item.cls, NOW)


def builds(bench: Workbench, body: bytes) -> None:
    """The newest builds of a job; the same as a page of its whole history."""
    _collected(bench, body, builds=body)


def heads(bench: Workbench, body: bytes) -> None:
    """The starts of all builds."""
    controller, _ = bench.controller(heads=body)
    for start in bench.run(controller.client.heads("team/app")):
        BuildKey(*start)
    bench.ledger.builds.same(
        bench.row.id, JobState("x", 1), bench.run(controller.client.heads("a"))
    )


def build(bench: Workbench, body: bytes) -> None:
    """One build by its number."""
    controller, _ = bench.controller(build=body)
    one = bench.run(whole_build(controller.client, "team/app", 1))
    assert one.key.timestamp >= 0
    _collected(bench, body, builds=b'{"builds":[' + body + b"]}")


def start(bench: Workbench, body: bytes) -> None:
    """What tells a build from another, and a Jenkins from another."""
    controller, _ = bench.controller(start=body)
    bench.run(identity_of(controller.client, "other", [("team/app", BuildKey(1, NOW, 1))]))


def origin(bench: Workbench, body: bytes) -> None:
    """The causes of the builds above."""
    _collected(bench, body, origin=body)


def describe(bench: Workbench, body: bytes) -> None:
    """One stage tree."""
    one = json.loads(bench.seeds["builds"][-2])
    one["builds"] = [b for b in one["builds"] if b["_class"] == PIPELINE_RUN][-1:]
    _collected(bench, body, builds=json.dumps(one).encode(), describe=body)


def step_log(bench: Workbench, body: bytes) -> None:
    """The log of a failed step, as a page."""
    _collected(bench, body, builds=bench.seeds["builds"][-2], step_log=body)


def junit_report(bench: Workbench, body: bytes) -> None:
    """The tests of a build."""
    _collected(bench, body, builds=bench.seeds["builds"][-2], test_report=body)


def runs(bench: Workbench, body: bytes) -> None:
    """Ten stage trees."""
    _collected(bench, body, builds=bench.seeds["builds"][-2], runs=body)


NO_WFAPI = {"runs": b"", "describe": b""}
NO_GRAPH = {**NO_WFAPI, "graph_stages": b""}


def _told(bench: Workbench, **hostile: bytes) -> None:
    """The stages of some builds, as they are sent; a poll asks for each build once only."""
    controller, _ = bench.controller(builds=bench.seeds["builds"][-2], **hostile)
    found = bench.run(newest_builds(controller.client, "team/app", 5)).builds
    for tree in bench.run(controller.stages.of("team/app", found)).values():
        if isinstance(tree, StageTree):
            stages = run_stages(tree, controller.mapping.redactor)
            bench.shows(msgspec.json.encode(stages).decode())


def graph_stages(bench: Workbench, body: bytes) -> None:
    """A stage tree of Pipeline Graph View."""
    _told(bench, graph_stages=body, **NO_WFAPI)


def graph_steps(bench: Workbench, body: bytes) -> None:
    """All steps of a build, as Pipeline Graph View gives them."""
    _told(bench, graph_steps=body, **NO_WFAPI)


def organizations(bench: Workbench, body: bytes) -> None:
    """Where Blue Ocean answers."""
    _told(bench, organizations=body, **NO_GRAPH)


def blue_nodes(bench: Workbench, body: bytes) -> None:
    """The stages of Blue Ocean."""
    _told(bench, blue_nodes=body, **NO_GRAPH)


def blue_steps(bench: Workbench, body: bytes) -> None:
    """The steps of Blue Ocean, of a build or of a stage."""
    _told(bench, blue_steps=body, **NO_GRAPH)


def manifest(bench: Workbench, body: bytes) -> None:
    """An archived manifest."""
    _collected(bench, body, builds=bench.seeds["builds"][-2], manifest=body)


def console(bench: Workbench, body: bytes) -> None:
    """A console log: kept, searched, and read by the rules."""
    _collected(bench, body, builds=bench.seeds["builds"][-2], console=body)
    query = parse_query(body[-30:].decode("utf-8", "replace"))
    if query is not None and zlib.crc32(body) % 5 == 0:
        first_line(query, body.decode("utf-8", "replace").encode())


def progressive(bench: Workbench, body: bytes) -> None:
    """A console log that comes piece by piece, and whose end is a lie."""
    controller, answers = bench.controller(builds=bench.seeds["builds"][-2], progressive=body)
    answers.bodies = {kind: text for kind, text in answers.bodies.items() if kind != "console"}
    answers.headers = {"X-More-Data": "true", "X-Text-Size": str(len(body))}
    reader: LogCollector = controller.logs
    (one, *_) = bench.run(newest_builds(controller.client, "team/app", 1)).builds
    log = bench.run(reader.read(controller.client, "team/app", one, controller.mapping.redactor))
    bench.tells(escape_line(log.kept.read_error or ""))


def items(bench: Workbench, body: bytes) -> None:
    """The item tree."""
    controller, _ = bench.controller(items=body)
    look = bench.run(fetch_items(controller.client, None, first=True))
    bench.tells(*map(escape_line, look.unread.values()))
    rows = [
        (i.full_name, i.cls, i.next_build_number, max(i.newest or (), default=None))
        for i in look.items.values()
    ]
    bench.ledger.jobs.pass_over(bench.row.id, rows)
    states = bench.ledger.jobs.states(bench.row.id)
    missing_jobs(states.values(), look)
    running = {("a", 1): BuildKey(1, 10, 7)}
    for item in list(look.items.values())[:100]:
        should_ask(item, states.get(item.full_name), running, NOW)
        controller.globs.selects(item.full_name)
        controller.client._request(job_path(item.full_name) + "api/json", {})


def running(bench: Workbench, body: bytes) -> None:
    """What runs now."""
    controller, _ = bench.controller(running=body)
    told = bench.run(fetch_running(controller.client))
    jobs = bench.ledger.jobs.states(bench.row.id).values()
    found = assume_running(told, jobs, 0.5) or {}
    assert all(number == start.number >= 0 for (_, number), start in found.items())
    bench.ledger.builds.record_running((job, start) for start in found.values() for job in jobs)


def history(bench: Workbench, body: bytes) -> None:
    """The summaries that a reconcile compares."""
    controller, _ = bench.controller(summaries=body)
    job = next(iter(bench.ledger.jobs.states(bench.row.id).values()), JobState("team/x"))

    async def work() -> None:
        found = await summaries(controller.client, job.full_name, 0)
        done = [one for one in found if is_due(one, range(0))]
        entries = bench.ledger.reconciliation.entries(bench.row.id, job, [one.key for one in done])
        for finding in compared(job, done, entries, NOW):
            bench.tells(escape_line(reconcile_line("main", finding)))

    bench.run(work())


def url(bench: Workbench, body: bytes) -> None:
    """Addresses: of builds that run, of repositories."""
    text = body.decode("utf-8", "replace")
    build_of_url(text, "/jenkins/")
    without_credentials(text)
    Globs(["**/a*?b/**", "team/**"]).selects(text)
    answer = HttpResponse(302, {"Location": text.replace("\n", "")}, b"")
    _refused(bench, answer)


def headers(bench: Workbench, body: bytes) -> None:
    """The headers of every answer, with a good body."""
    told = headers_of(body)
    controller, answers = bench.controller(builds=bench.seeds["builds"][-2])
    answers.headers = told
    for status in (200, 302, 401, 403, 404, 429, 503):
        _refused(bench, HttpResponse(status, told, b""))
    one = msgspec.json.decode(bench.seeds["build"][-1], type=Build)
    for ask in (
        lambda: newest_builds(controller.client, "team/app", 10),
        lambda: controller.client.identity(),
        lambda: controller.client.headers(),
        lambda: controller.logs.read(
            controller.client, "team/app", one, controller.mapping.redactor
        ),
    ):
        try:
            bench.run(ask())
        except RemoteError as error:
            bench.tells(str(error), error.hint)


def headers_of(body: bytes) -> Mapping[str, str]:
    """What of the bytes an HTTP client lets through as headers."""
    pairs = (line.partition(b":")[::2] for line in body.split(b"\n"))
    return {
        name.decode(): value.strip().decode("latin-1")
        for name, value in pairs
        if name and name.replace(b"-", b"").isalnum() and min(value, default=32) >= 32
    }


def _refused(bench: Workbench, answer: HttpResponse) -> None:
    retry_after(answer.headers)
    try:
        raise_for_status(answer, "controller main", "x", denied_hint="")
    except RemoteError as error:
        bench.tells(str(error))


def searched(bench: Workbench, body: bytes) -> None:
    """What a user types into the search of logs."""
    text = body.decode("utf-8", "replace").replace("\0", "")
    hits, _ = search_logs(bench.ledger, text, 0, None, None, 5)
    bench.shows(*hit_lines(hits))


JENKINS: Mapping[str, tuple[Target, int]] = {
    "builds": (builds, 24),
    "heads": (heads, 4),
    "build": (build, 8),
    "origin": (origin, 6),
    "describe": (describe, 12),
    "runs": (runs, 8),
    "step_log": (step_log, 6),
    "test_report": (junit_report, 6),
    "graph_stages": (graph_stages, 6),
    "graph_steps": (graph_steps, 4),
    "organizations": (organizations, 2),
    "blue_nodes": (blue_nodes, 6),
    "blue_steps": (blue_steps, 4),
    "manifest": (manifest, 8),
    "console": (console, 8),
    "progressive": (progressive, 3),
    "items": (items, 12),
    "running": (running, 5),
    "summaries": (history, 8),
    "start": (start, 2),
    "url": (url, 4),
    "headers": (headers, 6),
    "search": (searched, 2),
}
"""By name: the target, and its share of a campaign."""
