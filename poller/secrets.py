"""Secrets: from the environment, a file, or a systemd credential, read when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from poller import known_secrets
from poller.errors import ConfigError
from poller.settings import Controller, Harness, Sei

MOST_BYTES = 64 * 1024

Owner: TypeAlias = Controller | Sei | Harness


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


def read_secret(owner: Owner, environ: Mapping[str, str]) -> Secret:
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
        return _kept(owner, value, f"{table}: {key}_env {variable}")
    credential = getattr(owner, f"{key}_credential")
    if credential is None:
        return _from_file(owner, Path(getattr(owner, f"{key}_file")), f"{table}: {key}_file")
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(
            [f"{table}: {key}_credential: $CREDENTIALS_DIRECTORY is not set; systemd sets it,"
             " with LoadCredential= in the unit"]
        )  # fmt: skip
    return _from_file(owner, Path(directory) / credential, f"{table}: {key}_credential")


def file_of(owner: Owner, environ: Mapping[str, str]) -> Path | None:
    """The file that holds the secret; None for an environment variable."""
    key = "token" if isinstance(owner, Controller) else "api_key"
    file, credential = getattr(owner, f"{key}_file"), getattr(owner, f"{key}_credential")
    if credential is not None:
        return Path(environ.get("CREDENTIALS_DIRECTORY", ""), credential)
    return None if file is None else Path(file)


def _from_file(owner: Owner, path: Path, what: str) -> Secret:
    try:
        raw = path.read_bytes()[:MOST_BYTES]
    except OSError as error:
        raise ConfigError([f"{what}: can't read {path}: {error.strerror}"]) from None
    return _kept(owner, raw.decode("utf-8", "replace"), f"{what}: {path}")


def _kept(owner: Owner, text: str, what: str) -> Secret:
    value = _one_line(text, what)
    if isinstance(owner, Controller):
        known_secrets.remember(value, owner.user)
    elif not value.isascii():  # a header can't hold it
        raise ConfigError([f"{what}: an API key has no such characters"])
    else:
        known_secrets.remember(value)
    return Secret(value)


def _one_line(text: str, what: str) -> str:
    value = text.strip()
    if not value:
        raise ConfigError([f"{what}: it is empty"])
    if not value.isprintable():
        raise ConfigError([f"{what}: more than one line, or no text"])
    return value
