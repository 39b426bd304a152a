"""Logs of steps, as each plugin that knows stages gives them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from poller.demo.faults import Answer
from poller.demo.jenkins.consoles import Console, LongLog, whole
from poller.demo.jenkins.error_pages import JETTY
from poller.demo.jenkins.stages import QUEUED_MS, Json, Node, Stage, Step, laid_out, steps_of

if TYPE_CHECKING:
    from poller.demo.jenkins.builds import Build
    from poller.demo.jenkins.items import Jenkins

WFAPI_SHOWS, BLUE_OCEAN_SHOWS = 10 * 1024, 150 * 1024
"""Bytes of the end of a log."""

NO_LOGS = b"No logs found\n"

_URL = re.compile(r"https?://[^\s<>&]+")


def wfapi(build: Build, node_id: str, page: str) -> Json | None:
    """``execution/node/ID/wfapi/log``: HTML of the last 10 KiB; a stage has no text (measured)."""
    found = _find(build, node_id)
    if found is None:
        return None
    status = {"FAILURE": "FAILED"}.get(found.status, found.status)
    told: Json = {"nodeId": node_id, "nodeStatus": status, "length": 0, "hasMore": False}
    if isinstance(found.of, Stage):
        return {**told, "consoleUrl": None}
    size, tail = _size(found.of.log), _tail(found.of.log, WFAPI_SHOWS)
    told |= {"length": size, "hasMore": size > WFAPI_SHOWS}
    if size:
        told["text"] = as_html(tail.decode("utf-8", "replace"))
    return {**told, "consoleUrl": f"{page}execution/node/{node_id}/log"}


def graph_view(build: Build, node_id: str) -> Answer:
    """``log?nodeId=ID``: all of it; of a stage, that of each of its steps."""
    found = _find(build, node_id)
    logs = [step.log for step in _steps(found) if step.log]
    headers = JETTY | {"Content-Type": "text/plain"}
    if not logs:
        return Answer(200, NO_LOGS, headers)
    return Answer(200, b"", headers, parts=(part for log in logs for part in whole(log)))


def blue_ocean(jenkins: Jenkins, segments: Sequence[str]) -> Answer | None:
    """``…/runs/N/steps/ID/log``, ``…/nodes/ID/log``: the last 150 KiB. Of a long one the header
    with its size comes too late."""
    match segments:
        case ["organizations", "jenkins", *path, "runs", number, "steps" | "nodes", one, "log"]:
            job = jenkins.jobs.get("/".join(map(unquote, path[1::2])))
            build = job.builds.get(int(number)) if job is not None and number.isdecimal() else None
            found = None if build is None else _find(build, one)
            if found is None:
                return None
            text = b"".join(_tail(step.log, BLUE_OCEAN_SHOWS) for step in _steps(found))
            headers = JETTY | {"Content-Type": "text/plain;charset=utf-8"}
            if len(text) < BLUE_OCEAN_SHOWS:
                headers["X-Text-Size"] = str(len(text))
            return Answer(200, text.replace(b"\n", b"\r\n"), headers)
    return None


def as_html(text: str) -> str:
    """Escaped, with links, as Jenkins' console shows it."""
    escaped = html.escape(text, quote=False)
    return _URL.sub(lambda url: f"<a href='{url[0]}'>{url[0]}</a>", escaped)


def _find(build: Build, node_id: str) -> Node | None:
    laid = laid_out(build.stages, build.timestamp + QUEUED_MS, None)
    stages = [node for node in laid if isinstance(node, Node)]
    every = (one for stage in stages for one in (stage, *steps_of(stage, None)))
    return next((node for node in every if str(node.id) == node_id), None)


def _steps(node: Node | None) -> Iterator[Step]:
    if node is not None:
        yield from [node.of] if isinstance(node.of, Step) else node.of.steps


def _size(log: Console) -> int:
    return log.size if isinstance(log, LongLog) else len(log.encode("utf-8", "surrogateescape"))


def _tail(log: Console, limit: int) -> bytes:
    if isinstance(log, LongLog):
        return b"".join(log.parts(max(0, log.size - limit)))
    return log.encode("utf-8", "surrogateescape")[-limit:]
