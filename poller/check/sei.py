"""SEI: the way there, its environment, the API key, and each controller's instance GUID."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from poller import http
from poller.check.finding import UNAVAILABLE, Finding
from poller.check.network import reach
from poller.errors import RemoteError
from poller.sei.api import WHERE
from poller.servers import ControllerConfig, Sei
from poller.wiring import connection, sei_api

NOBODY = str(uuid.UUID(int=0))
"""A GUID that no controller has: to ask whether a key is accepted before there is one."""

PLACE = "is the environment or base_url right?"
KEY = "check the key, and that it belongs to this environment"


async def sei(
    settings: Sei, controllers: tuple[ControllerConfig, ...], environ: Mapping[str, str], now: int
) -> list[Finding]:
    """Look at SEI. Raises ConfigError when the API key or CA bundle can't be read."""
    findings = (await reach(WHERE, connection(settings), now)).findings
    for controller in controllers:
        if any(finding.code == UNAVAILABLE for finding in findings if finding.state == "wrong"):
            break
        findings.append(await instance(settings, controller, environ))
    return findings


async def key_accepted(settings: Sei, environ: Mapping[str, str]) -> Finding:
    """Whether SEI takes the API key. Raises ConfigError when it can't be read."""
    answer = await _ask(settings, NOBODY, environ, WHERE)
    if isinstance(answer, Finding):
        return answer
    return Finding("ok", WHERE, "API key accepted")


async def instance(
    settings: Sei, controller: ControllerConfig, environ: Mapping[str, str]
) -> Finding:
    """Whether SEI takes the key and knows the controller's GUID. Raises ConfigError."""
    where = f"{WHERE} for {controller.name}"
    answer = await _ask(settings, controller.instance_guid or NOBODY, environ, where)
    if isinstance(answer, Finding):
        return answer
    if controller.instance_guid is None:
        return Finding(
            "warning", where, "key accepted; no instance_guid yet",
            f"sei-poller register --controller {controller.name} --satellite satellite.yml",
        )  # fmt: skip
    if answer.status in (404, 405):
        return Finding(
            "warning", where, f"HTTP {answer.status} for instance GUID {controller.instance_guid}",
            "SEI takes runs of a GUID it doesn't know and drops them: is it your integration's?",
        )  # fmt: skip
    return Finding("ok", where, f"key accepted, instance GUID {controller.instance_guid} known")


async def _ask(
    settings: Sei, guid: str, environ: Mapping[str, str], where: str
) -> http.Answer | Finding:
    """The answer about a GUID, or why it is none."""
    api = sei_api(settings, environ)
    try:
        answer = await api.instance(guid)
    except RemoteError as error:
        return Finding("wrong", where, str(error), error.hint, UNAVAILABLE)
    finally:
        await api.aclose()
    return refusal(answer, where, settings) or answer


def refusal(answer: http.Answer, where: str, settings: Sei) -> Finding | None:
    """Why the answer is none that SEI gives to a good key; None when it is."""
    status = answer.status
    if status in (401, 403):
        saw = f"HTTP {status}: the API key is refused"
        return Finding("wrong", where, saw, KEY, code=UNAVAILABLE)
    if status not in (404, 405) and not 200 <= status < 300:
        saw = f"HTTP {status} from {settings.base}"
        return Finding("wrong", where, saw, PLACE, code=UNAVAILABLE)
    if 200 <= status < 300 and not _is_json(answer.body):
        saw = f"no JSON from {settings.base}: a page, and not the API"
        return Finding("wrong", where, saw, PLACE, code=UNAVAILABLE)
    return None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
