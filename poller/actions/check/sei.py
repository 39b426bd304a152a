"""SEI: the way there, its environment, the API key, and each controller's instance GUID."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from poller.actions.check.finding import UNAVAILABLE, CheckResult
from poller.actions.check.network import reach
from poller.config.servers import ControllerConfig, SeiConfig
from poller.context import sei_client
from poller.core.errors import RemoteError
from poller.delivery.sei import WHERE
from poller.http.errors import HttpResponse

NOBODY = str(uuid.UUID(int=0))
"""A GUID that no controller has: to ask whether a key is accepted before there is one."""

PLACE = "is the environment or base_url right?"
KEY = "check the key, and that it belongs to this environment"


async def sei(
    settings: SeiConfig,
    controllers: tuple[ControllerConfig, ...],
    environ: Mapping[str, str],
    now: int,
) -> list[CheckResult]:
    """Look at SEI. Raises ConfigError when the API key or CA bundle can't be read."""
    findings = (await reach(WHERE, settings, now)).findings
    for controller in controllers:
        if any(finding.code == UNAVAILABLE for finding in findings if finding.state == "wrong"):
            break
        findings.append(await instance(settings, controller, environ))
    return findings


async def key_accepted(settings: SeiConfig, environ: Mapping[str, str]) -> CheckResult:
    """Whether SEI takes the API key. Raises ConfigError when it can't be read."""
    answer = await _ask(settings, NOBODY, environ, WHERE)
    if isinstance(answer, CheckResult):
        return answer
    return CheckResult("ok", WHERE, "API key accepted")


async def instance(
    settings: SeiConfig, controller: ControllerConfig, environ: Mapping[str, str]
) -> CheckResult:
    """Whether SEI takes the key and knows the controller's GUID. Raises ConfigError."""
    where = f"{WHERE} for {controller.name}"
    answer = await _ask(settings, controller.instance_guid or NOBODY, environ, where)
    if isinstance(answer, CheckResult):
        return answer
    if controller.instance_guid is None:
        return CheckResult(
            "warning", where, "key accepted; no instance_guid yet",
            f"sei-poller register --controller {controller.name} --satellite satellite.yml",
        )  # fmt: skip
    if answer.status in (404, 405):
        return CheckResult(
            "warning", where, f"HTTP {answer.status} for instance GUID {controller.instance_guid}",
            "SEI takes runs of a GUID it doesn't know and drops them: is it your integration's?",
        )  # fmt: skip
    return CheckResult("ok", where, f"key accepted, instance GUID {controller.instance_guid} known")


async def _ask(
    settings: SeiConfig, guid: str, environ: Mapping[str, str], where: str
) -> HttpResponse | CheckResult:
    """The answer about a GUID, or why it is none."""
    api = sei_client(settings, environ)
    try:
        answer = await api.instance(guid)
    except RemoteError as error:
        return CheckResult("wrong", where, str(error), error.hint, UNAVAILABLE)
    finally:
        await api.aclose()
    return refusal(answer, where, settings) or answer


def refusal(answer: HttpResponse, where: str, settings: SeiConfig) -> CheckResult | None:
    """Why the answer is none that SEI gives to a good key; None when it is."""
    status = answer.status
    if status in (401, 403):
        saw = f"HTTP {status}: the API key is refused"
        return CheckResult("wrong", where, saw, KEY, code=UNAVAILABLE)
    if status not in (404, 405) and not 200 <= status < 300:
        saw = f"HTTP {status} from {settings.base}"
        return CheckResult("wrong", where, saw, PLACE, code=UNAVAILABLE)
    if 200 <= status < 300 and not _is_json(answer.body):
        saw = f"no JSON from {settings.base}: a page, and not the API"
        return CheckResult("wrong", where, saw, PLACE, code=UNAVAILABLE)
    return None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
