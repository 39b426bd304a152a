"""Secrets: from the environment, a file, or a systemd credential, read when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from poller.config.servers import ControllerConfig, ServerConfig
from poller.core.errors import ConfigError
from poller.core.known_secrets import remember
from poller.core.private_files import read_own

MOST_BYTES = 64 * 1024
"""Of a file that holds a secret."""

LACKING = "no secret in /etc/sei-poller/{0}, or in what the unit's LoadCredential={0}: names"
"""systemd gives an empty line for a file that is not there: SetCredential= in the units."""


def read_secret(server: ServerConfig, environ: Mapping[str, str]) -> SecretStr:
    """The token of a controller, or SEI's or Harness' key.

    Raises ConfigError that names key and source.
    """
    what = name_of(server)
    if server.secret_env is not None:
        value = environ.get(server.secret_env)
        if value is None:
            raise ConfigError([f"{what}: the variable {server.secret_env} is not set"])
        return _kept(server, value, f"{what}: the variable {server.secret_env}")
    path = file_of(server, environ)
    if path is None:
        raise ConfigError(
            [f"{what}: $CREDENTIALS_DIRECTORY is not set; systemd sets it,"
             " with LoadCredential= in the unit"]
        )  # fmt: skip
    try:
        raw = read_own(path, secret=True, most=MOST_BYTES)
    except ConfigError as error:
        raise ConfigError([f"{what}: {why}" for why in error.findings]) from None
    except OSError as error:
        raise ConfigError([f"{what}: can't read {path}: {error.strerror}"]) from None
    if server.secret_credential is not None and not raw.strip():
        raise ConfigError([f"{what}: {LACKING.format(server.secret_credential)}"])
    return _kept(server, raw.decode("utf-8", "replace"), f"{what}: {path}")


def file_of(server: ServerConfig, environ: Mapping[str, str]) -> Path | None:
    """The file that holds the secret; None for an environment variable, or a credential where
    nothing says in which directory it is."""
    if server.secret_file is not None:
        return Path(server.secret_file)
    directory = environ.get("CREDENTIALS_DIRECTORY")
    credential = server.secret_credential
    return Path(directory, credential) if credential is not None and directory else None


def name_of(server: ServerConfig) -> str:
    """Table and key of the secret, as in the file."""
    fields = ("secret_env", "secret_file", "secret_credential")
    field = next(one for one in fields if getattr(server, one) is not None)
    name = type(server).__name__.removesuffix("Config").lower()
    table = f'controller "{server.name}"' if isinstance(server, ControllerConfig) else f"[{name}]"
    return f"{table}: {type(server).model_fields[field].alias}"


def _kept(server: ServerConfig, text: str, what: str) -> SecretStr:
    value = _one_line(text, what)
    if isinstance(server, ControllerConfig):
        remember(value, server.user)
    elif not value.isascii():  # a header can't hold it
        raise ConfigError([f"{what}: an API key has no such characters"])
    else:
        remember(value)
    return SecretStr(value)


def _one_line(text: str, what: str) -> str:
    value = text.strip("\ufeff").strip()  # some editors put a mark at the beginning
    if not value:
        raise ConfigError([f"{what} is empty"])
    if not value.isprintable() or "\ufffd" in value:
        raise ConfigError([f"{what} is not one line of UTF-8 text"])
    return value
