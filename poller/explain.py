"""What `preview --explain` prints: where each field of a run is from. Pure functions.

The sources are the mapping's own: nothing is found out a second time here.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from poller.preview import Preview
from poller.sei.mapping import Skip

WIDEST = 60
"""Characters of a value that are shown."""


def explain_json(preview: Preview) -> dict[str, Any]:
    """The object that `preview --explain --json` prints; its keys are a promise. A field that was
    left out has no ``value``."""
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
        "lacking": list(preview.lacking),
    }


def explain_lines(preview: Preview) -> list[str]:
    """The same, a line a field."""
    told = explain_json(preview)
    if "skip" in told:
        return [f"skipped: {told['skip']}"]
    lines = [told["rule"] or "no rule matches"]
    for field, one in told["fields"].items():
        value = _short(one["value"]) if "value" in one else "(left out)"
        lines.append(f"{field}: {value}  <- {one['source']}")
    if told["left_out"]:
        lines.append(f"left out, as the payload is too large: {told['left_out']}")
    return lines + [f"goes without: {why}" for why in told["lacking"]]


def _short(value: Any) -> str:
    if isinstance(value, dict) and "stages" in value:
        steps = sum(len(stage["steps"]) for stage in value["stages"])
        return f"{len(value['stages'])} stages, {steps} steps"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
