"""`register`: an instance GUID for a controller, from SEI's ``POST cicd/instances``."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from poller.config.servers import ControllerConfig, SeiConfig
from poller.config.settings import Settings
from poller.context import sei_client
from poller.core.errors import BadAnswer, ConfigError, UsageError
from poller.core.escape import clip
from poller.core.known_secrets import mask
from poller.delivery.sei import WHERE
from poller.http.errors import HttpResponse, raise_for_status

WHAT = "cicd/instances"
GUID_KEYS = ("id", "guid", "instance_guid", "uuid")
"""SEI's page does not say where in the answer the GUID stands."""

WORDS_SHOWN = 300


def choose(settings: Settings, name: str | None) -> tuple[ControllerConfig, SeiConfig]:
    """The controller to register, and where. Raises UsageError or ConfigError."""
    named = [one for one in settings.controllers if name in (None, one.name)]
    if len(named) != 1:
        known = ", ".join(one.name for one in settings.controllers)
        raise UsageError(
            f"no controller {name!r} in the config" if name else "which controller?",
            f"say which with --controller NAME: {known}",
        )
    if settings.sei is None:
        raise ConfigError(["[sei] is missing: where shall the controller be registered?"])
    if named[0].instance_guid is not None:
        raise UsageError(
            f"controller {named[0].name} has the instance_guid {named[0].instance_guid} already",
            "with another one, SEI would count it as another controller; for that, take the line"
            " out of the config first",
        )
    return named[0], settings.sei


def integration(given: str | None, file: Path | None) -> str:
    """The integration's id, from exactly one of the two. Raises UsageError."""
    if (given is None) == (file is None):
        raise UsageError(
            "register needs --integration-id ID or --satellite FILE, and one of them only",
            "SEI's integration of type Custom has the id, and lets you download satellite.yml",
        )
    if file is not None:
        return integration_id(file)
    if not is_id(given or ""):
        raise UsageError("--integration-id: that is no id", "it is a short word or number")
    return given or ""


async def register(
    controller: ControllerConfig, sei: SeiConfig, integration_id: str, environ: Mapping[str, str]
) -> str:
    """The new GUID. Raises RemoteError, or ConfigError when the API key can't be read."""
    body = {
        "integration_id": integration_id,
        "name": controller.effective_instance_name,
        "type": "jenkins",
    }
    async with contextlib.aclosing(sei_client(sei, environ)) as client:
        return guid_of(await client.new_instance(json.dumps(body).encode()))


def guid_of(answer: HttpResponse) -> str:
    """The GUID in SEI's answer. Raises RemoteError, with SEI's words where it refused."""
    if 400 <= answer.status < 500 and answer.status not in (401, 403, 404, 408, 425, 429):
        raise BadAnswer(
            WHERE, WHAT, f"HTTP {answer.status}: {words(answer.body)}",
            "is the integration id right? SEI's integration of type Custom has it in satellite.yml",
        )  # fmt: skip
    raise_for_status(
        answer, WHERE, WHAT,
        denied_hint="check the API key, and that it belongs to this environment",
    )  # fmt: skip
    try:
        decoded: Any = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer(
            WHERE, WHAT, "no JSON where JSON is due", "is the environment or base_url right?"
        ) from None
    for key in GUID_KEYS if isinstance(decoded, dict) else ():
        try:
            return str(uuid.UUID(str(decoded.get(key))))
        except ValueError:
            continue
    raise BadAnswer(WHERE, WHAT, f"no GUID in the answer: {words(answer.body)}")


def words(body: bytes) -> str:
    """The beginning of an answer, on one line."""
    return clip(mask(" ".join(body.decode("utf-8", "replace").split())), WORDS_SHOWN) or "no words"


def line_for(guid: str) -> str:
    """The line to put into the config."""
    return f'instance_guid = "{guid}"'


LARGEST_SATELLITE = 64 * 1024
LONGEST_ID = 100
SATELLITE_CURE = "download it anew from SEI's integration, or give --integration-id"


def integration_id(path: Path) -> str:
    """The id of the one integration in the file. Raises UsageError."""
    ids = ids_of(_read(path), path)
    if len(ids) != 1:
        named = f": {', '.join(ids)}" if ids else ""
        raise UsageError(
            f"{path}: {len(ids) or 'no'} integrations in it{named}",
            "say which with --integration-id" if ids else SATELLITE_CURE,
        )
    return ids[0]


def ids_of(raw: bytes, path: Path) -> list[str]:
    """The ids of all integrations in the file, each once. Raises UsageError for what is no YAML."""
    try:
        document: Any = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{path}: not YAML{line}", SATELLITE_CURE) from None
    entries = document.get("integrations") if isinstance(document, dict) else None
    ids = [
        str(entry["id"]).strip()
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str | int)
    ]
    return list(dict.fromkeys(one for one in ids if is_id(one)))


def is_id(text: str) -> bool:
    """Whether it can be an integration's id: a short printable word."""
    return 0 < len(text) <= LONGEST_ID and text.isprintable() and " " not in text


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_SATELLITE + 1)
    except OSError as error:
        raise UsageError(f"{path}: can't read it: {error.strerror}", SATELLITE_CURE) from None
    if len(raw) > LARGEST_SATELLITE:
        raise UsageError(
            f"{path}: larger than {LARGEST_SATELLITE} bytes: no satellite.yml", SATELLITE_CURE
        )
    return raw
