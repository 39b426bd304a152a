"""The config file: found, read, checked; every error at once, each with its line and its cure."""

from __future__ import annotations

import errno
import os
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from poller.config.error_lines import causes, findings_of
from poller.config.secrets import front_door, read_secret, secret_sources
from poller.config.server import ServerConfig
from poller.config.settings import Settings
from poller.core.errors import ConfigError
from poller.core.known_secrets import remember_misplaced
from poller.core.private_files import read_own

ETC = Path("/etc/sei-poller")
CURES = {
    errno.ENOENT: "make it with: sei-poller --config {path} init",
    errno.EACCES: "a config holds no secret: chmod a+r {path}; `sei-poller check`, as root, says"
    " where a folder of a service's is closed",
}
"""Of a config that can't be read."""


def find(given: Path | None, environ: Mapping[str, str], *, root: bool) -> Path:
    """The config file: as given, ``$SEI_POLLER_CONFIG``, or the first default that is there. None
    is looked for in the current folder: its owner may be anybody.

    Raises ConfigError.
    """
    if given is not None:
        return given
    if environ.get("SEI_POLLER_CONFIG"):
        return Path(environ["SEI_POLLER_CONFIG"])
    paths = default_paths(environ, root=root)
    for path in paths:
        if _is_there(path):
            return path
    tried = ", ".join(str(path) for path in paths)
    raise ConfigError(
        [f"no config file: neither --config, $SEI_POLLER_CONFIG, nor {tried}"],
        "make one with: sei-poller init",
    )


def default_paths(environ: Mapping[str, str], *, root: bool) -> list[Path]:
    """Where the config may be, in order: a user's own, then the service's. A ``root`` by `sudo` has
    the user's environment, so root has only the latter."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):  # as the XDG specification has it
        home = os.path.expanduser("~/.config")
    own = [] if root or not home.startswith("/") else [Path(home, "sei-poller/poller.toml")]
    return [*own, ETC / "poller.toml"]


def _is_there(path: Path) -> bool:
    """Also where it can't be seen: to read it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a file. Raises ConfigError with all that is wrong in it.

    ``environ`` says where the ledger lies when the file doesn't.
    """
    try:
        text = read_own(path, secret=False).decode().removeprefix("\ufeff")
        document = tomllib.loads(text)
    except OSError as error:
        hint = CURES.get(error.errno or 0, "").format(path=shlex.quote(str(path)))
        raise ConfigError([f"{path}: can't read it: {error.strerror}"], hint) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: can't read it: {error}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: not TOML: nested too deeply"]) from None
    except ValueError as error:  # TOMLDecodeError is one, a number of 5,000 digits another
        raise ConfigError([f"{path}: not TOML: {error}"]) from None
    try:
        settings = Settings.model_validate(_as_python(document))
    except ValidationError as invalid:
        findings = [findings_of(path, text, error) for error in causes(invalid.errors())]
        raise ConfigError(findings) from None
    for owner in owners(settings):
        for _, source in secret_sources(owner):
            remember_misplaced(source.env or source.file or source.credential or "")
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


def owners(settings: Settings) -> list[ServerConfig]:
    """The tables that name a secret."""
    receivers = [one for one in (settings.sei, settings.harness) if one is not None]
    return [*settings.controllers, *receivers]


def check_secrets(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Every secret that can't be read, one line each."""
    findings: list[str] = []
    for owner in owners(settings):
        for read in (read_secret, front_door):
            try:
                read(owner, environ)
            except ConfigError as error:
                findings += error.findings
    return findings


def show(settings: Settings) -> dict[str, Any]:
    """The effective settings as the file would have them. Where secrets come from, never they."""
    return settings.model_dump(mode="json", exclude_none=True, by_alias=True)


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
