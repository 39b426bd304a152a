"""The config file that `init` writes: where it goes, and its text."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poller.config.load import ETC, default_paths, load
from poller.config.servers import BASES
from poller.core.errors import ConfigError, UsageError
from poller.core.urls import goes_in_clear

KINDS = ("env", "file", "credential")

Answers = dict[str, str]
"""By the key of their question."""


def target(given: Path | None, environ: Mapping[str, str], *, root: bool) -> Path:
    """Where the config is written. Raises UsageError when something is there already."""
    named = environ.get("SEI_POLLER_CONFIG")
    path = given or (Path(named) if named else default_paths(environ, root=root)[0])
    if path.exists():
        raise UsageError(
            f"{path} is there already, and is not overwritten",
            "edit it, or name another file: sei-poller --config FILE init",
        )
    return path.absolute()


def tables(answers: Answers) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables of Jenkins and of SEI. Raises ConfigError for what says of no secret where it is.

    ``allow_http`` stands only where it was said and the address needs it.
    """
    place = answers["place"]
    environment = place.upper() if place.upper() in BASES else None
    token, key = source(answers["token"]), source(answers["key"])
    allowed, proxy = "allow_http" in answers, answers.get("proxy")
    controller = {
        "name": answers["name"],
        "url": answers["url"],
        "user": answers["user"],
        f"token_{token[0]}": token[1],
        "instance_guid": answers["guid"] or None,
        "ca_file": answers.get("ca_file"),
        "proxy": proxy,
        "allow_http": True if allowed and goes_in_clear(answers["url"]) else None,
    }
    sei = {
        "environment": environment,
        "base_url": None if environment else place,
        f"api_key_{key[0]}": key[1],
        "proxy": proxy,
        "allow_http": True if allowed and not environment and goes_in_clear(place) else None,
    }
    return _without_none(controller), _without_none(sei)


def text_of(answers: Answers, ledger: Path | None) -> str:
    """The config file."""
    controller, sei = tables(answers)
    lines = [
        "# All other keys have defaults: `sei-poller config show`, `sei-poller config schema`.",
        "",
        "[[controllers]]",
        *_assignments(controller),
        *([] if answers["guid"] else ['#instance_guid = ""  # from `sei-poller register`']),
        "",
        "[sei]",
        *_assignments(sei),
    ]
    if ledger is not None:
        lines += ["", "[ledger]", *_assignments({"path": str(ledger)})]
    return "\n".join(lines) + "\n"


def ledger_for(path: Path) -> Path | None:
    """A service's ledger, where its unit keeps it, so that a `status` that is typed finds it."""
    if path.parent != ETC:
        return None
    instance = "" if path.stem == "poller" else f"-{path.stem}"
    return Path(f"/var/lib/sei-poller{instance}/ledger.db")


def write(path: Path, text: str) -> None:
    """Write the config, whole or not at all, and never over another file. Raises ConfigError.

    Everybody may read it: it holds no secret, and the service runs as a user of its own.
    """
    try:
        _make_folder(path.parent)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8") as file:
            file.write(text)
            file.flush()
            load(Path(file.name), {})
            os.fchmod(file.fileno(), 0o644)
            os.link(file.name, path)
    except FileExistsError:
        raise ConfigError([f"{path} is there already, and is not overwritten"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: can't write it: {error.strerror}"]) from None


def source(text: str) -> tuple[str, str]:
    """Kind and name of ``env NAME``, ``file PATH`` or ``credential NAME``. Raises ConfigError."""
    kind, _, value = text.partition(" ")
    if kind not in KINDS or not value.strip():
        raise ConfigError(["a secret is in one of: env NAME, file PATH, credential NAME"])
    value = value.strip()
    # Whatever folder the program is started in.
    return kind, str(Path(value).expanduser().absolute()) if kind == "file" else value


def is_source(text: str) -> bool:
    """Whether it says where a secret is, and is not one itself."""
    try:
        source(text)
    except ConfigError:
        return False
    return True


def secret_file(text: str, environ: Mapping[str, str]) -> Path | None:
    """The file that a source means; None for an environment variable, or nonsense."""
    kind, _, value = text.partition(" ")
    if kind == "file":
        return Path(value).expanduser()
    directory = environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory) / value if kind == "credential" and value and directory else None


def write_secret(path: Path, secret: str, *, anew: bool) -> None:
    """Write a secret for its owner's eyes only; never over a file, but for one to be written
    ``anew``. Raises ConfigError."""
    flags = os.O_CREAT | os.O_WRONLY | (os.O_TRUNC if anew else os.O_EXCL)
    try:
        _make_folder(path.parent)
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        why = f"{path} is there already, and is not overwritten: put the secret into it yourself"
        raise ConfigError([why]) from None
    except OSError as error:
        raise ConfigError([f"{path}: can't write it: {error.strerror}"]) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(secret.strip() + "\n")


def _make_folder(path: Path) -> None:
    """The config's. Root's is for the service's user, too, whatever the umask is."""
    if not path.exists():
        path.mkdir(parents=True)
        if os.geteuid() == 0:
            path.chmod(0o755)


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def _assignments(table: dict[str, Any]) -> list[str]:
    # JSON's strings are TOML's, but for DEL, which no answer that was tried can hold.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
