"""The config file that `init` writes: where it goes, and its text."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from poller.addresses import goes_in_clear
from poller.config import load
from poller.errors import ConfigError, UsageError
from poller.servers import BASES

ETC = Path("/etc/sei-poller")
KINDS = ("env", "file", "credential")

Draft = dict[str, str]
"""The answers, by the key of their question."""


def target(given: Path | None, environ: Mapping[str, str], *, root: bool) -> Path:
    """Where the config is written. Raises UsageError when something is there already."""
    named = environ.get("SEI_POLLER_CONFIG")
    path = given or Path(named or (ETC / "poller.toml" if root else "config/poller.toml"))
    if path.exists():
        raise UsageError(
            f"{path} is there already, and is not overwritten",
            "edit it, or name another file: sei-poller --config FILE init",
        )
    return path.absolute()


def text_of(draft: Draft, ledger: Path | None) -> str:
    """The config file."""
    place = "environment" if draft["place"] in BASES else "base_url"
    guid = f"instance_guid = {json.dumps(draft['guid'])}"
    lines = [
        "# All other keys have defaults: `sei-poller config show`, `sei-poller config schema`.",
        "",
        "[[controllers]]",
        f"name = {_quoted(draft['name'])}",
        f"url = {_quoted(draft['url'])}",
        f"user = {_quoted(draft['user'])}",
        f"token_{_assignment(draft['token'])}",
        guid if draft["guid"] else '#instance_guid = ""  # from `sei-poller register`',
        *(f"{key} = {_quoted(draft[key])}" for key in ("ca_file", "proxy") if key in draft),
        *(["allow_http = true"] if in_clear(draft, "url") else []),
        "",
        "[sei]",
        f"{place} = {_quoted(draft['place'])}",
        f"api_key_{_assignment(draft['key'])}",
        *(f"{key} = {_quoted(draft[key])}" for key in ("proxy",) if key in draft),
        *(["allow_http = true"] if in_clear(draft, "place") else []),
    ]
    if ledger is not None:
        lines += ["", "[ledger]", f"path = {_quoted(str(ledger))}"]
    return "\n".join(lines) + "\n"


def in_clear(draft: Draft, address: str) -> dict[str, bool]:
    """``allow_http``, where it was said and the address needs it."""
    needed = "allow_http" in draft and goes_in_clear(draft[address])
    return {"allow_http": True} if needed else {}


def ledger_for(path: Path) -> Path | None:
    """A service's ledger, where its unit keeps it, so that every user's `status` finds it."""
    if path.parent != ETC:
        return None
    instance = "" if path.stem == "poller" else f"-{path.stem}"
    return Path(f"/var/lib/sei-poller{instance}/ledger.db")


def write(path: Path, text: str) -> None:
    """Write the config, whole or not at all, and never over another file. Raises ConfigError.

    Everybody may read it: it holds no secret, and the service runs as a user of its own.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def _assignment(text: str) -> str:
    kind, value = source(text)
    return f"{kind} = {_quoted(value)}"


def _quoted(text: str) -> str:
    # JSON's strings are TOML's, but for DEL, which no answer that was tried can hold.
    return json.dumps(text, ensure_ascii=False)
