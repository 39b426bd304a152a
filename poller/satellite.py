"""satellite.yml, which SEI lets one download for an integration: its ids.

Source: Harness' "Custom CI/CD integrations" page says that the file holds the integration's id; it
stands in ``integrations[].id``. The file holds an API key too, so none of it is ever shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from poller.errors import UsageError

MOST_BYTES = 64 * 1024
LONGEST_ID = 100
CURE = "download it anew from SEI's integration, or give --integration-id"


def integration_id(path: Path) -> str:
    """The id of the one integration in the file. Raises UsageError."""
    ids = ids_of(_read(path), path)
    if len(ids) != 1:
        named = f": {', '.join(ids)}" if ids else ""
        raise UsageError(
            f"{path}: {len(ids) or 'no'} integrations in it{named}",
            "say which with --integration-id" if ids else CURE,
        )
    return ids[0]


def ids_of(raw: bytes, path: Path) -> list[str]:
    """The ids of all integrations in the file, each once. Raises UsageError for what is no YAML."""
    try:
        document: Any = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{path}: not YAML{line}", CURE) from None
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
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: can't read it: {error.strerror}", CURE) from None
    if len(raw) > MOST_BYTES:
        raise UsageError(f"{path}: larger than {MOST_BYTES} bytes: no satellite.yml", CURE)
    return raw
