"""Secrets: from the environment, a file, or a systemd credential, read when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from poller.errors import ConfigError
from poller.settings import Controller, Harness, Sei

MOST_BYTES = 64 * 1024


class Secret:
    """Shows its value to nobody who doesn't ask for it by name."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def read_secret(owner: Controller | Sei | Harness, environ: Mapping[str, str]) -> Secret:
    """The token of a controller, or SEI's or Harness' key.

    Raises ConfigError that names key and source.
    """
    key = "token" if isinstance(owner, Controller) else "api_key"
    table = (
        f'controller "{owner.name}"'
        if isinstance(owner, Controller)
        else f"[{type(owner).__name__.lower()}]"
    )
    variable = getattr(owner, f"{key}_env")
    if variable is not None:
        value = environ.get(variable, "")
        if not value.strip():
            raise ConfigError([f"{table}: {key}_env: the variable {variable} is not set"])
        return Secret(_one_line(value, f"{table}: {key}_env {variable}"))
    credential = getattr(owner, f"{key}_credential")
    if credential is None:
        return _from_file(Path(getattr(owner, f"{key}_file")), f"{table}: {key}_file")
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(
            [f"{table}: {key}_credential: $CREDENTIALS_DIRECTORY is not set; systemd sets it,"
             " with LoadCredential= in the unit"]
        )  # fmt: skip
    return _from_file(Path(directory) / credential, f"{table}: {key}_credential")


def _from_file(path: Path, what: str) -> Secret:
    try:
        raw = path.read_bytes()[:MOST_BYTES]
    except OSError as error:
        raise ConfigError([f"{what}: can't read {path}: {error.strerror}"]) from None
    return Secret(_one_line(raw.decode("utf-8", "replace"), f"{what}: {path}"))


def _one_line(text: str, what: str) -> str:
    value = text.strip()
    if not value:
        raise ConfigError([f"{what}: it is empty"])
    if not value.isprintable():
        raise ConfigError([f"{what}: more than one line, or no text"])
    return value
