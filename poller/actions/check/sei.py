"""SEI: the way there, its environment, the API key, and each controller's instance GUID."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Mapping

from poller.actions.check.finding import (
    CONFIG_CODE,
    UNAVAILABLE,
    CheckResult,
    exit_code,
    ok,
    unavailable,
    warning,
    wrong,
)
from poller.actions.check.network import reach
from poller.config.servers import ControllerConfig, SeiConfig
from poller.context import sei_client
from poller.core.errors import RemoteError
from poller.core.known_secrets import mask
from poller.delivery.instances import can_tell, guid_state
from poller.delivery.sei import WHERE
from poller.http.errors import HttpResponse, place_of
from poller.http.front_door import login_page, redirect_hint

NOBODY = str(uuid.UUID(int=0))
"""A GUID that no controller has: to ask whether a key is accepted before there is one."""

DROPPED = "SEI takes runs of a GUID it doesn't know and drops them: is it your integration's?"
PLACE = "is the environment or base_url right?"
KEY = "check the key, and that it belongs to this environment"


async def sei(
    settings: SeiConfig,
    controllers: tuple[ControllerConfig, ...],
    environ: Mapping[str, str],
    now: int,
) -> list[CheckResult]:
    """Look at SEI. Raises ConfigError when the API key or CA bundle can't be read."""
    results = (await reach(WHERE, settings, environ, now)).results
    for controller in controllers:
        if exit_code(results) == UNAVAILABLE:
            break
        results.append(await instance(settings, controller, environ))
    return results


async def key_accepted(settings: SeiConfig, environ: Mapping[str, str]) -> CheckResult:
    """Whether SEI takes the API key. Raises ConfigError when it can't be read."""
    answer = await _ask(settings, NOBODY, environ, WHERE)
    if isinstance(answer, CheckResult):
        return answer
    return ok(WHERE, "API key accepted")


async def instance(
    settings: SeiConfig, controller: ControllerConfig, environ: Mapping[str, str]
) -> CheckResult:
    """Whether SEI takes the key and knows the controller's GUID. Raises ConfigError."""
    where, guid = f"{WHERE} for {controller.name}", controller.instance_guid
    answer = await _ask(settings, guid or NOBODY, environ, where)
    if isinstance(answer, CheckResult):
        return answer
    if guid is None:
        cure = f"sei-poller register --controller {controller.name} --satellite satellite.yml"
        return wrong(where, "key accepted; no instance_guid yet", cure, CONFIG_CODE)
    if answer.status in (404, 405):
        saw, cure = f"HTTP {answer.status} for instance GUID {guid}", DROPPED
        if guid_state(answer) == "unknown" and await _can_tell(settings, environ):
            return wrong(where, f"{saw}: SEI does not know it", cure)
        return warning(where, f"{saw}: this SEI can't say whether it knows it", cure)
    return ok(where, f"key accepted, instance GUID {guid} known")


async def _can_tell(settings: SeiConfig, environ: Mapping[str, str]) -> bool:
    async with contextlib.aclosing(sei_client(settings, environ)) as client:
        try:
            return await can_tell(client)
        except RemoteError:
            return False


async def _ask(
    settings: SeiConfig, guid: str, environ: Mapping[str, str], where: str
) -> HttpResponse | CheckResult:
    """The answer about a GUID, or why it is none."""
    async with contextlib.aclosing(sei_client(settings, environ)) as client:
        try:
            answer = await client.instance(guid)
        except RemoteError as error:
            return unavailable(where, str(error), error.hint)
    return refusal(answer, where, settings) or answer


def refusal(answer: HttpResponse, where: str, settings: SeiConfig) -> CheckResult | None:
    """Why the answer is none that SEI gives to a good key; None when it is."""
    status = answer.status
    if page := login_page(answer.headers, answer.body):
        saw = f"HTTP {status} from {settings.base}, {page.saw}"
        return unavailable(where, saw, f"{page.hint}; {PLACE}")
    if status in (401, 403):
        saw = f"HTTP {status}: the API key is refused"
        return unavailable(where, saw, KEY)
    if status not in (404, 405) and not 200 <= status < 300:
        location = mask(answer.headers.get("Location", ""))
        saw = f"HTTP {status} from {settings.base}"
        if not location:
            return unavailable(where, saw, PLACE)
        saw += f" sends us to {place_of(location)}, not followed"
        return unavailable(where, saw, f"{redirect_hint(location)}; {PLACE}")
    if 200 <= status < 300 and not _is_json(answer.body):
        saw = f"no JSON from {settings.base}: a page, and not the API"
        return unavailable(where, saw, PLACE)
    return None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
