"""`preview --explain` as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from poller.actions.preview import Preview

WIDEST = 60
"""Characters of a value that are shown."""


def explain_json(preview: Preview) -> dict[str, Any]:
    """The object that `preview --explain --json` prints; its keys are a promise. A field that was
    left out has no ``value``."""
    from poller.mapping.rules import Skip

    if isinstance(preview.done, Skip):
        return {"controller": preview.controller, "skip": preview.done.reason}
    payload = msgspec.json.decode(preview.body)
    return {
        "controller": preview.controller,
        "rule": preview.done.rule or None,
        "fields": {
            field: {"source": source} | ({"value": payload[field]} if field in payload else {})
            for field, source in sorted(preview.done.sources.items())
        },
        "left_out": preview.left_out,
        "lacking": list(preview.incomplete),
    }


def explain_lines(preview: Preview) -> list[str]:
    """The same, a line a field."""
    explained = explain_json(preview)
    if "skip" in explained:
        return [f"skipped: {explained['skip']}"]
    lines = [explained["rule"] or "no rule matches"]
    for field, one in explained["fields"].items():
        value = _short(one["value"]) if "value" in one else "(left out)"
        lines.append(f"{field}: {value}  <- {one['source']}")
    if explained["left_out"]:
        lines.append(f"left out, as the payload is too large: {explained['left_out']}")
    return lines + [f"goes without: {why}" for why in explained["lacking"]]


def _short(value: Any) -> str:
    if isinstance(value, dict) and "stages" in value:
        steps = sum(len(stage["steps"]) for stage in value["stages"])
        return f"{len(value['stages'])} stages, {steps} steps"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
