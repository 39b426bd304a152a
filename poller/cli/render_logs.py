"""`logs` as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poller.core.escape import escape_line
from poller.core.times import iso

if TYPE_CHECKING:
    from poller.actions.logs import KeptStepLog
    from poller.ledger.logs.archive import LogRow
    from poller.ledger.logs.failures import FirstCause
    from poller.ledger.logs.search import LogHit
    from poller.ledger.logs.steps import StepRef


def hit_lines(hits: list[LogHit], site: str = "") -> list[str]:
    """Two lines a hit, and its page where ``site``, the page's address, is given."""
    lines = []
    for hit in hits:
        log = hit.log
        lines.append(
            f"{log.controller}: {log.full_name} #{log.number}  {iso(log.timestamp)}  {log.result}"
        )
        lines.append(f"  {hit.line.number}: {hit.line.text.strip()}")
        if site:
            lines.append(f"  {_page(site, hit)}")
    return lines


def hits_json(hits: list[LogHit], more: bool, site: str = "") -> dict[str, Any]:
    """The object that `logs --search --json` prints; its keys are a promise."""
    return {
        "hits": [
            {
                **_log_json(hit.log),
                "line_number": hit.line.number,
                "line": hit.line.text,
                "page": _page(site, hit) if site else None,
            }
            for hit in hits
        ],
        "more": more,
    }


def step_logs_text(logs: list[KeptStepLog]) -> bytes:
    """A line before each says which, where there are several, as `tail` has it."""
    if len(logs) == 1:
        return logs[0].text
    return b"".join(
        escape_line(f"==> {step_words(one.row.of)} <==").encode() + b"\n" + one.text for one in logs
    )


def step_logs_json(logs: list[KeptStepLog]) -> dict[str, Any]:
    """The object that `logs JOB NUMBER --stage --json` prints; its keys are a promise."""
    return {
        "logs": [
            {
                **_step_json(one.row.of),
                "result": one.row.of.result,
                "source": one.row.source,
                "size": one.row.size,
                "left_out": one.row.left_out,
                "absent": one.row.read_error,
                "text": one.text.decode("utf-8", "replace"),
            }
            for one in logs
        ]
    }


def cause_lines(cause: FirstCause) -> list[str]:
    """The line, and where it stands."""
    where = f"line {cause.line}" if cause.line is not None else "the stage tree"
    if cause.line is not None and cause.place is None:
        where += " of the console log"
    step = f"{step_words(cause.of)}, " if cause.of is not None else ""
    return [f"{cause.category}: {cause.cause}", f"  {step}{where}"]


def cause_json(cause: FirstCause) -> dict[str, Any]:
    """The object that `logs JOB NUMBER --cause --json` prints; its keys are a promise."""
    none = dict.fromkeys(("stage", "stage_id", "step", "step_id"))
    return {
        "category": cause.category,
        "cause": cause.cause,
        **(none if cause.of is None else _step_json(cause.of)),
        "line": cause.line,
    }


def step_words(of: StepRef) -> str:
    """``stage Build, step Shell Script (9)``."""
    stage = f"stage {of.stage_name or of.stage}"
    return stage if of.step is None else f"{stage}, step {of.step_name} ({of.step})"


def _step_json(of: StepRef) -> dict[str, Any]:
    return {
        "stage": of.stage_name,
        "stage_id": of.stage,
        "step": of.step_name if of.step is not None else None,
        "step_id": of.step,
    }


def _page(site: str, hit: LogHit) -> str:
    return f"{site}/builds/{hit.log.build}"


def archived_json(log: LogRow, text: bytes) -> dict[str, Any]:
    """The object that `logs JOB NUMBER --json` prints; its keys are a promise."""
    return {
        **_log_json(log),
        "read_at": iso(log.at),
        "size": log.size,
        "left_out": log.left_out,
        "absent": log.read_error,
        "text": text.decode(),
    }


def _log_json(log: LogRow) -> dict[str, Any]:
    return {
        "controller": log.controller,
        "job": log.full_name,
        "number": log.number,
        "started_at": iso(log.timestamp),
        "result": log.result,
    }
