"""`check`: what is set up right and what is not, one line each, with the cure."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from poller.errors import NotFound, PollerError, RemoteError
from poller.globs import matches
from poller.jenkins import discovery
from poller.jenkins.discovery import PIPELINE_JOB, Look
from poller.jenkins.whoami import whoami
from poller.secrets import read_secret
from poller.sei.api import Api as SeiApi
from poller.settings import Controller, Sei
from poller.watched import Watched
from poller.wiring import Line, connection, sei_api

SKEW_MS = 60_000
LEAST_FREE = 100 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """One line: ``state`` is ok, warning or wrong; ``reached`` false where a server was not."""

    state: str
    subject: str
    saw: str
    cure: str = ""
    reached: bool = True

    def text(self) -> str:
        """The line."""
        cure = f" — {self.cure}" if self.cure else ""
        return f"{self.state:<7} {self.subject}: {self.saw}{cure}"

    def json(self) -> dict[str, Any]:
        """The same as an object; its keys are a promise."""
        fields = asdict(self)
        del fields["reached"]
        return fields


def exit_code(findings: list[Finding]) -> int:
    """69 when a server could not be reached or refused us, 1 for anything else wrong, else 0."""
    if any(not finding.reached for finding in findings):
        return 69
    return int(any(finding.state == "wrong" for finding in findings))


async def check(line: Line, environ: dict[str, str], clock: Callable[[], int]) -> list[Finding]:
    """Look at everything; each server is asked a handful of small questions."""
    findings = [_ledger(line)]
    settings = line.settings
    controllers = {controller.name: controller for controller in settings.controllers}
    for part in await asyncio.gather(
        *(_controller(w, controllers[w.name], environ, clock) for w in line.watched)
    ):
        findings += part
    if settings.sei is not None:
        findings += await _sei(settings.sei, line, environ)
    return findings


def _ledger(line: Line) -> Finding:
    path = line.ledger.path
    free = shutil.disk_usage(path.parent).free
    saw = f"{path}, {free // 2**20:,} MiB free"
    if free < LEAST_FREE:
        return Finding("wrong", "ledger", saw, "make room on its disk")
    return Finding("ok", "ledger", saw)


async def _controller(
    watched: Watched, controller: Controller, environ: dict[str, str], clock: Callable[[], int]
) -> list[Finding]:
    where = watched.api.where
    token = read_secret(controller, environ).reveal()
    try:
        user = await asyncio.to_thread(
            whoami, where, connection(controller), controller.user, token
        )
        headers = await watched.api.headers()
        look = await discovery.look(watched.api, None, first=False)
    except RemoteError as error:
        return [_unreached(where, error)]
    findings = [
        Finding("ok", where, f"Jenkins {headers.get('X-Jenkins', 'of unknown version')}"),
        Finding("ok", where, f"user {user}"),
        _skew(where, headers.get("Date", ""), clock()),
    ]
    findings += _jobs(watched, controller, look)
    findings.append(await _running(watched))
    findings += await _stages(watched, look)
    return findings


def _unreached(where: str, error: PollerError) -> Finding:
    message = str(error).removeprefix(f"{where}: ")
    return Finding("wrong", where, message, error.hint, reached=False)


def _skew(where: str, date: str, now: int) -> Finding:
    try:
        theirs = int(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return Finding("ok", where, "no Date header: clocks not compared")
    skew = now - theirs
    if abs(skew) > SKEW_MS:
        side = "ahead of" if skew > 0 else "behind"
        return Finding(
            "warning",
            where,
            f"our clock is {abs(skew) // 1000} s {side} Jenkins'",
            "is NTP running on both?",
        )
    return Finding("ok", where, "clocks agree")


def _jobs(watched: Watched, controller: Controller, look: Look) -> list[Finding]:
    names = list(look.items)
    selected = sum(watched.globs.selects(name) for name in names)
    findings = [
        Finding("ok", watched.api.where, f"{selected} of {len(names)} jobs to watch")
        if selected
        else Finding(
            "wrong", watched.api.where, f"none of {len(names)} jobs to watch",
            "does the user have Job/Read, and do include and exclude leave any?",
        )
    ]  # fmt: skip
    for key in ("include", "exclude"):
        for glob in getattr(controller, key):
            if not any(matches(name, glob) for name in names):
                findings.append(
                    Finding(
                        "warning",
                        watched.api.where,
                        f"{key} {glob!r} matches no job",
                        "is it as in fullName?",
                    )
                )
    findings += [
        Finding("warning", watched.api.where, f"not readable: {why}")
        for why in look.unread.values()
    ]
    return findings


async def _running(watched: Watched) -> Finding:
    try:
        await watched.api.running()
    except RemoteError as error:
        return Finding(
            "warning", watched.api.where, f"can't see which builds run ({error})",
            "a job with a build in flight costs a request a poll; give the user Overall/Read",
        )  # fmt: skip
    return Finding("ok", watched.api.where, "sees which builds run")


async def _stages(watched: Watched, look: Look) -> list[Finding]:
    """Ask for one stage tree of a pipeline that has builds, to see that wfapi is there."""
    where = watched.api.where
    pipelines = (
        item.full_name
        for item in look.items.values()
        if item.cls == PIPELINE_JOB
        and item.next_build_number > 1
        and watched.globs.selects(item.full_name)
    )
    for name in pipelines:
        try:
            builds = await watched.api.builds(name, 1)
            if not builds:
                continue
            await watched.api.stage_tree(name, builds[0].number)
        except NotFound:
            cure = "install the plugin Pipeline: REST API (pipeline-rest-api); runs have no stages"
            return [Finding("warning", where, "no stage trees (wfapi)", cure)]
        except RemoteError as error:
            return [Finding("wrong", where, str(error), error.hint)]
        return [Finding("ok", where, "stage trees (wfapi)")]
    return [Finding("ok", where, "no pipeline with builds: stage trees not tried")]


async def _sei(sei: Sei, line: Line, environ: dict[str, str]) -> list[Finding]:
    api = sei_api(sei, environ)
    try:
        return [
            await _instance(api, sei, watched.name, watched.identity.instance_guid)
            for watched in line.watched
        ]
    finally:
        await api.aclose()


async def _instance(api: SeiApi, sei: Sei, controller: str, guid: str) -> Finding:
    subject = f"SEI for {controller}"
    try:
        answer = await api.instance(guid)
    except RemoteError as error:
        return Finding("wrong", subject, str(error), error.hint, reached=False)
    if answer.status in (401, 403):
        return Finding(
            "wrong", subject, f"HTTP {answer.status}: the API key is refused",
            "check the key, and that it belongs to this environment", reached=False,
        )  # fmt: skip
    if answer.status in (404, 405):
        return Finding(
            "warning", subject, f"HTTP {answer.status} for instance GUID {guid}",
            "SEI takes runs of a GUID it doesn't know and drops them: is it your integration's?",
        )  # fmt: skip
    if answer.status >= 300:
        return Finding(
            "wrong",
            subject,
            f"HTTP {answer.status} from {sei.base}",
            "is the environment or base_url right?",
            reached=False,
        )
    return Finding("ok", subject, f"key accepted, instance GUID {guid} known")
