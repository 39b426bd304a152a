"""An archived ``sei-artifacts.json`` or ``artifact-manifest.json`` as artifacts. Pure.

Read as SEI's Jenkins plugin (``propelo-job-reporter``) reads it, so that nothing is lost by leaving
that: ``artifacts[]``, else ``artifact``, else the object itself; ``type``, ``location``, ``name``
and ``qualifier`` are all needed, numbers are taken as texts. An artifact that lacks one is left
out, those beside it are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from poller.mapping.payload import Artifact

FILE_NAMES = ("artifact-manifest.json", "sei-artifacts.json")
NEEDED = ("type", "location", "name", "qualifier")
KNOWN = {"artifacts", "artifact", "location", "name", "qualifier"}
MOST_FAULTS = 5

# Numbers with a point as they are written: a qualifier 1.10 is not 1.1.
_DECODER = msgspec.json.Decoder(float_hook=str)


def parse_manifest(body: bytes, file_name: str) -> tuple[tuple[Artifact, ...], list[str]]:
    """The artifacts of a manifest, and what is wrong with it, a few words each.

    UTF-8 with or without a byte order mark, UTF-16 and UTF-32, as Jackson reads them. A file named
    ``artifact-manifest.json`` with nothing in it that we know may be another tool's: nothing is
    wrong with it.
    """
    try:
        root = _DECODER.decode(body.decode(json.detect_encoding(body)))
    except RecursionError:
        return (), ["the JSON is nested too deeply"]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return (), [f"not JSON: {error}"]
    if not isinstance(root, dict):
        return (), [f"{_kind(root)} where an object is due"]
    if file_name == FILE_NAMES[0] and not KNOWN & root.keys():
        return (), []
    found: list[Artifact] = []
    wrong: list[str] = []
    more = 0
    for place, entry in _entries(root):
        artifact = _artifact(entry)
        if isinstance(artifact, Artifact):
            found.append(artifact)
        elif len(wrong) < MOST_FAULTS:
            wrong.append(f"{place} {artifact}".strip())
        else:
            more += 1
    if more:
        wrong.append(f"and {more} more")
    return tuple(found), wrong


def _entries(root: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    many, one = root.get("artifacts"), root.get("artifact")
    if isinstance(many, list):
        return ((f"artifacts[{place}]", entry) for place, entry in enumerate(many))
    return [("artifact", one)] if isinstance(one, dict) else [("", root)]


def _artifact(entry: Any) -> Artifact | str:
    """The artifact, or what is wrong with it."""
    if not isinstance(entry, dict):
        return f"is {_kind(entry)} where an object is due"
    texts = {key: (_text(entry.get(key)) or "").strip() for key in NEEDED}
    missing = [key for key, text in texts.items() if not text]
    if missing:
        return f"lacks {', '.join(missing)}"
    return Artifact(
        input=_true(entry.get("input")),
        output=_true(entry.get("output")),
        hash=_text(entry.get("hash")) or UNSET,
        metadata=_metadata(entry.get("metadata")),
        **texts,
    )


def _metadata(value: Any) -> dict[str, str] | UnsetType:
    """Names and texts, as SEI takes them; what is deeper, as JSON."""
    if not isinstance(value, dict):
        return UNSET
    texts = {
        key: _text(part) if not isinstance(part, dict | list) else _json(part)
        for key, part in value.items()
    }
    return {key: text for key, text in texts.items() if text is not None} or UNSET


def _json(value: Any) -> str | None:
    """As JSON; None where that can't be written: a whole number of more than 64 bits, or what is
    nested more deeply than can be."""
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, RecursionError):
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**300 else None
    return None


def _true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "a number"
    return "a text or number" if isinstance(value, str) else "an array"
