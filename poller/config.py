"""The config file: found, read, checked; every error at once, each with its line and its cure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from poller.addresses import without_password
from poller.errors import ConfigError
from poller.secrets import read_secret
from poller.servers import Server
from poller.settings import Settings
from poller.when import size_text, span_text

DEFAULT_PATHS = (Path("config/poller.toml"), Path("/etc/sei-poller/poller.toml"))
SPANS = frozenset({"every", "timeout", "keep_payloads", "keep_logs"})
SIZES = frozenset({"log_limit"})


def find(given: Path | None, environ: Mapping[str, str]) -> Path:
    """The config file: as given, ``$SEI_POLLER_CONFIG``, or the first default that is there.

    Raises ConfigError.
    """
    if given is not None:
        return given
    if environ.get("SEI_POLLER_CONFIG"):
        return Path(environ["SEI_POLLER_CONFIG"])
    for path in DEFAULT_PATHS:
        if path.exists():
            return path
    tried = ", ".join(str(path) for path in DEFAULT_PATHS)
    raise ConfigError(
        [f"no config file: neither --config, $SEI_POLLER_CONFIG, nor {tried}"],
        "make one with: sei-poller init",
    )


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a file. Raises ConfigError with all that is wrong in it.

    ``environ`` tells where the ledger lies when the file doesn't.
    """
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't read it: {getattr(error, 'strerror', error)}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: not TOML: nested too deeply"]) from None
    except ValueError as error:  # TOMLDecodeError is one, a number of 5,000 digits another
        raise ConfigError([f"{path}: not TOML: {error}"]) from None
    try:
        settings = Settings.model_validate(_as_python(document))
    except ValidationError as invalid:
        findings = [_told(path, text, error) for error in _causes(invalid.errors())]
        raise ConfigError(findings) from None
    if settings.ledger.path:
        return settings
    ledger = settings.ledger.model_copy(update={"path": str(default_ledger(environ))})
    return settings.model_copy(update={"ledger": ledger})


def default_ledger(environ: Mapping[str, str]) -> Path:
    """``$STATE_DIRECTORY/ledger.db``, as systemd sets it, else below ``$XDG_STATE_HOME``."""
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0]) / "ledger.db"
    state = environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(state) / "sei-poller" / "ledger.db"


def owners(settings: Settings) -> list[Server]:
    """The tables that name a secret."""
    receivers = [one for one in (settings.sei, settings.harness) if one is not None]
    return [*settings.controllers, *receivers]


def check_secrets(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Every secret that can't be read, one line each."""
    findings: list[str] = []
    for owner in owners(settings):
        try:
            read_secret(owner, environ)
        except ConfigError as error:
            findings += error.findings
    return findings


def show(settings: Settings) -> dict[str, Any]:
    """The effective settings as the file would have them. Where secrets come from, never they."""
    shown: dict[str, Any] = _written(
        settings.model_dump(mode="json", exclude_none=True, by_alias=True)
    )
    return shown


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(),
        "title": "jenkins-sei-poller config",
    }


def _as_python(value: Any) -> Any:
    """TOML's arrays as tuples: the settings are frozen, and strict about types."""
    if isinstance(value, dict):
        return {key: _as_python(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_as_python(item) for item in value)
    return value


def _written(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _written(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_written(item) for item in value]
    if key == "proxy":
        return without_password(value)
    if key in SPANS:
        return span_text(value)
    return size_text(value) if key in SIZES else value


def _causes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that only follow: pydantic counts items that are wrong as not there."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(place[:-1][: len(error["loc"])] == error["loc"] for place in places)
    ]


def _told(path: Path, text: str, error: ErrorDetails) -> str:
    """``FILE:LINE: controllers[0].urll: …``."""
    location = error["loc"]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"no such key{_nearest(location)}"
    elif error["type"] == "missing":
        message = "is missing"
    line = line_of(text, location)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{path}:{line}: {key.lstrip('.') or 'the file'}: {message}"


def _nearest(location: tuple[int | str, ...]) -> str:
    fields = table_at(location[:-1]).model_fields
    known = [field.alias or name for name, field in fields.items()]
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(known)}"


def table_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the table at that place."""
    model: type[BaseModel] = Settings
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a)) is not None), None)


def line_of(text: str, location: tuple[int | str, ...]) -> int:
    """The line of a key, or of its table when it is not there; 1 when nothing is."""
    wanted = [str(part) for part in location if isinstance(part, str)]
    index = next((part for part in location if isinstance(part, int)), 0)
    table, seen, found = "", -1, 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([\w.\-\"' ]+?)\s*\]\]?", line):
            table = header[1].replace('"', "").replace(" ", "")
            seen += wanted[:1] == [table] and "[[" in line
            if _inside(table, wanted) and ("[[" not in line or seen == index):
                found = number
        elif key := re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line):
            whole = [*table.split("."), key[1]] if table else [key[1]]
            if whole == wanted[: len(whole)] and (len(location) < 3 or seen == index):
                found = number
    return found


def _inside(table: str, wanted: list[str]) -> bool:
    parts = table.split(".")
    return wanted[: len(parts)] == parts
