"""Secrets: from the environment, a file, or a systemd credential, read when they are needed."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from poller.config.server import ServerConfig
from poller.config.servers import ControllerConfig
from poller.config.types import SecretSource
from poller.core.errors import ConfigError
from poller.core.known_secrets import remember
from poller.core.private_files import read_own

MOST_BYTES = 64 * 1024
"""Of a file that holds a secret."""

LACKING = (
    "/etc/sei-poller/{0}, or what the unit's LoadCredential={0}: names, is missing or empty; cure:"
    " put the secret into it, for root alone (chmod 600), and start again"
)
"""systemd gives an empty line for a file that is not there: SetCredential= in the units."""

CURES = {
    errno.ENOENT: "; cure: put the secret into it, for its owner alone (chmod 600)",
    errno.EACCES: "; cure: run it as root; what the service's user can't read, `check` says then",
}


def read_secret(server: ServerConfig, environ: Mapping[str, str]) -> SecretStr:
    """The token of a controller, or SEI's or Harness' key.

    Raises ConfigError that names key and source.
    """
    (name, source), *_ = secret_sources(server)
    value, what = _read(source, name, environ)
    if isinstance(server, ControllerConfig):
        remember(value, server.user)
    else:
        _check_header(value, what, "an API key")
        remember(value)
    return SecretStr(value)


@dataclass(frozen=True)
class FrontDoor:
    """What stands before a server lets through: ``headers``, and a ``client_cert``: the files of
    the certificate and of its key."""

    headers: Mapping[str, str] = field(repr=False)
    client_cert: tuple[str, str] | None


def front_door(server: ServerConfig, environ: Mapping[str, str]) -> FrontDoor:
    """What the table says of the door before its server. Raises ConfigError."""
    headers = {}
    for name, source in server.headers.items():
        value, what = _read(source, _what(server, f"headers.{name}"), environ)
        _check_header(value, what, "a header")
        for part in (value, *re.split(r"[\s;,]+", value)):
            remember(part)  # of `Bearer TOKEN` the token alone, too
            remember(part.partition("=")[2])
        headers[name] = value
    if server.client_cert is None or server.client_key is None:
        return FrontDoor(headers, None)
    key = _path_of(server.client_key, _what(server, "client_key"), environ)
    return FrontDoor(headers, (server.client_cert, str(key)))


def file_of(source: SecretSource, environ: Mapping[str, str]) -> Path | None:
    """The file that holds a secret; None for an environment variable, or a credential where nothing
    says in which directory it is."""
    if source.file is not None:
        return Path(source.file)
    directory = environ.get("CREDENTIALS_DIRECTORY")
    credential = source.credential
    return Path(directory, credential) if credential is not None and directory else None


def secret_sources(server: ServerConfig) -> list[tuple[str, SecretSource]]:
    """Where all its secrets are, the token or key first; each with its table and key."""
    headers = [(f"headers.{name}", source) for name, source in server.headers.items()]
    key = [("client_key", server.client_key)] if server.client_key else []
    door = [(_what(server, name), source) for name, source in (*headers, *key)]
    fields = ("secret_env", "secret_file", "secret_credential")
    given = next(one for one in fields if getattr(server, one) is not None)
    return [(_what(server, type(server).model_fields[given].alias), server.secret), *door]


def _path_of(source: SecretSource, what: str, environ: Mapping[str, str]) -> Path:
    path = file_of(source, environ)
    if path is None:
        raise ConfigError(
            [f"{what}: $CREDENTIALS_DIRECTORY is not set; systemd sets it,"
             " with LoadCredential= in the unit"]
        )  # fmt: skip
    return path


def _what(server: ServerConfig, key: str | None) -> str:
    """Table and key, as in the file."""
    name = type(server).__name__.removesuffix("Config").lower()
    table = f'controller "{server.name}"' if isinstance(server, ControllerConfig) else f"[{name}]"
    return f"{table}: {key}"


def _read(source: SecretSource, what: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The secret, and what it is called in an error."""
    if source.env is not None:
        value = environ.get(source.env)
        if value is None:
            raise ConfigError([f"{what}: the variable {source.env} is not set"])
        what = f"{what}: the variable {source.env}"
        return _one_line(value, what), what
    path = _path_of(source, what, environ)
    try:
        raw = read_own(path, secret=True, most=MOST_BYTES)
    except ConfigError as error:
        raise ConfigError([f"{what}: {why}" for why in error.findings]) from None
    except OSError as error:
        cure = CURES.get(error.errno or 0, "")
        raise ConfigError([f"{what}: can't read {path}: {error.strerror}{cure}"]) from None
    if source.credential is not None and not raw.strip():
        raise ConfigError([f"{what}: {LACKING.format(source.credential)}"])
    what = f"{what}: {path}"
    return _one_line(raw.decode("utf-8", "replace"), what), what


def _check_header(value: str, what: str, kind: str) -> None:
    if not value.isascii():
        raise ConfigError([f"{what}: {kind} has no such characters"])


def _one_line(text: str, what: str) -> str:
    value = text.strip("\ufeff").strip()  # some editors put a mark at the beginning
    if not value:
        raise ConfigError([f"{what} is empty"])
    if not value.isprintable() or "\ufffd" in value:
        raise ConfigError([f"{what} is not one line of UTF-8 text"])
    return value
