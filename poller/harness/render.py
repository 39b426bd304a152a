"""Executions as text and as JSON; the keys of the JSON are a promise."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import msgspec

from poller.harness.api import Execution
from poller.sei.text import TEXT, clean
from poller.when import iso

LAST_MS = 253_402_300_799_000
"""The end of the year 9999: what no calendar has, is shown as the number that it is."""


def execution_json(execution: Execution) -> dict[str, Any]:
    """The API's own names; ``created`` is ISO 8601, null where IaCM says none."""
    return {**msgspec.structs.asdict(execution), "created": _time(execution.created)}


def written(execution: Execution, *, first: bool) -> str:
    """One element of a JSON array that is written while it comes."""
    text = json.dumps(execution_json(execution), indent=2, ensure_ascii=False)
    return ("\n" if first else ",\n") + textwrap.indent(text, "  ")


def line(execution: Execution) -> str:
    """One line: when, how, which workspace and pipeline, and the two ids that `get` takes."""
    shown = (
        _time(execution.created), execution.status, execution.workspace,
        execution.pipeline, execution.pipeline_execution_id, execution.pipeline_stage_id,
    )  # fmt: skip
    return "  ".join(_one_line(text or "-") for text in shown)


def lines(execution: Execution) -> list[str]:
    """A line a field."""
    told = execution_json(execution)
    return [f"{name}: {_one_line(str(value))}" for name, value in told.items() if value]


def _one_line(text: str) -> str:
    """Nothing in an answer moves the terminal's cursor."""
    return " ".join(clean(text, TEXT).split())


def _time(at: int | None) -> str | None:
    if not at:
        return None
    return iso(at) if 0 < at <= LAST_MS else str(at)
