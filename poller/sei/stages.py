"""wfapi's stage tree as SEI's ``job_run``. Pure.

wfapi's status words differ from core's; the table is the mapping's own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import UNSET, UnsetType

from poller.jenkins import model
from poller.redact import Redactor
from poller.sei.payload import Stage, StageTree, Step
from poller.sei.text import NAME, TEXT, clean

STATUS = {
    "SUCCESS": ("SUCCESS", "FINISHED"),
    "FAILED": ("FAILURE", "FINISHED"),
    "UNSTABLE": ("UNSTABLE", "FINISHED"),
    "ABORTED": ("ABORTED", "FINISHED"),
    "NOT_EXECUTED": ("NOT_BUILT", "SKIPPED"),
    "IN_PROGRESS": ("UNKNOWN", "RUNNING"),
    "PAUSED_PENDING_INPUT": ("UNKNOWN", "PAUSED"),
}


def stage_tree(tree: model.StageTree, redactor: Redactor) -> StageTree:
    """In wfapi's own order. What has no id is left out: SEI drops the whole run for one."""
    texts = _Texts(redactor)
    return StageTree([_stage(stage, texts) for stage in tree.stages if stage.id])


class _Texts:
    """Texts of one build made fit to send, each once: most steps share a handful of them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._done: dict[tuple[str, int], str] = {}

    def __call__(self, text: str | None, limit: int) -> str:
        """``text`` without secrets, at most ``limit`` characters."""
        if not text:
            return ""
        done = self._done.get((text, limit))
        if done is None:
            done = self._done[text, limit] = clean(self._redactor.text(text), limit)
        return done


def _stage(stage: model.Stage, texts: _Texts) -> Stage:
    result, state = result_and_state(stage.status)
    message = stage.error.message if stage.error else None
    return Stage(
        id=clean(stage.id or "", NAME),
        startTime=iso_time(stage.startTimeMillis),
        displayName=texts(stage.name, NAME),
        displayDescription=texts(message or stage.name, TEXT),
        durationInMillis=max(0, stage.durationMillis or 0),
        result=result,
        state=state,
        steps=[_step(step, texts) for step in stage.stageFlowNodes if step.id],
    )


def _step(step: model.Step, texts: _Texts) -> Step:
    result, state = result_and_state(step.status)
    return Step(
        id=clean(step.id or "", NAME),
        startTime=iso_time(step.startTimeMillis),
        displayName=texts(step.name, NAME),
        displayDescription=texts(step.parameterDescription or step.name, TEXT),
        durationInMillis=max(0, step.durationMillis or 0),
        result=result,
        state=state,
    )


def result_and_state(status: str | None) -> tuple[str, str]:
    """SEI's result and state for wfapi's status; a word that is new is passed on as the state."""
    return STATUS.get(status or "", ("UNKNOWN", clean(status or "UNKNOWN", NAME)))


def iso_time(millis: int | None) -> str | UnsetType:
    """ISO 8601 in UTC; left out when there is none, or one that no calendar has."""
    if not millis or millis < 0:
        return UNSET
    try:
        moment = datetime.fromtimestamp(millis / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return UNSET
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
