"""wfapi's stage tree as SEI's ``job_run``. Pure.

wfapi's status words differ from core's; the table is the mapping's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec import UNSET, UnsetType

from poller.core.escape import NAME, TEXT, clip
from poller.jenkins.stage import FlowNode, Stage, StageTree
from poller.mapping.payload import RunStage, RunStages, RunStep
from poller.mapping.redaction import Redactor

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout
MINUTE_MS = 60_000
SECONDS = tuple(f":{second:02}." for second in range(60))
MILLIS = tuple(f"{milli:03}Z" for milli in range(1_000))
"""The ends of a time, made once: a large build has a thousand times in it."""

STATUS = {
    "SUCCESS": ("SUCCESS", "FINISHED"),
    "FAILED": ("FAILURE", "FINISHED"),
    "UNSTABLE": ("UNSTABLE", "FINISHED"),
    "ABORTED": ("ABORTED", "FINISHED"),
    "NOT_EXECUTED": ("NOT_BUILT", "SKIPPED"),
    "IN_PROGRESS": ("UNKNOWN", "RUNNING"),
    "PAUSED_PENDING_INPUT": ("UNKNOWN", "PAUSED"),
}


def run_stages(tree: StageTree, redactor: Redactor) -> RunStages:
    """In wfapi's own order. What has no id is left out: SEI drops the whole run for one."""
    redact = redactor.text if redactor.may_contain_secret(set(_texts(tree))) else None
    names, texts = _Texts(redact, NAME), _Texts(redact, TEXT)
    return RunStages([_stage(stage, names, texts) for stage in tree.stages if stage.id])


def _texts(tree: StageTree) -> Iterator[str]:
    """Every text of the tree that may be sent."""
    for stage in tree.stages:
        yield stage.name or ""
        if stage.error is not None:
            yield stage.error.message or ""
        for step in stage.stageFlowNodes:
            yield step.name or ""
            yield step.parameterDescription or ""


class _Texts:
    """Texts of one build made fit to send, each once: most steps share a handful of them.
    ``redact`` is None where there is no secret in any."""

    def __init__(self, redact: Callable[[str], str] | None, limit: int) -> None:
        self._redact = redact
        self._limit = limit
        self._done: dict[str | None, str] = {None: "", "": ""}

    def __call__(self, text: str | None) -> str:
        """``text`` without secrets, no longer than the limit."""
        done = self._done.get(text)
        if done is None:
            assert text is not None  # noqa: S101 - None is done from the beginning
            safe = text if self._redact is None else self._redact(text)
            done = self._done[text] = clip(safe, self._limit)
        return done


def _stage(stage: Stage, names: _Texts, texts: _Texts) -> RunStage:
    result, state = result_and_state(stage.status)
    message = stage.error.message if stage.error else None
    return RunStage(
        id=clip(stage.id or "", NAME),
        startTime=iso_time(stage.startTimeMillis),
        displayName=names(stage.name),
        displayDescription=texts(message or stage.name),
        durationInMillis=max(0, stage.durationMillis or 0),
        result=result,
        state=state,
        steps=[_step(step, names, texts) for step in stage.stageFlowNodes if step.id],
    )


def _step(step: FlowNode, names: _Texts, texts: _Texts) -> RunStep:
    result, state = result_and_state(step.status)
    return RunStep(
        id=clip(step.id or "", NAME),
        startTime=iso_time(step.startTimeMillis),
        displayName=names(step.name),
        displayDescription=texts(step.parameterDescription or step.name),
        durationInMillis=max(0, step.durationMillis or 0),
        result=result,
        state=state,
    )


def result_and_state(status: str | None) -> tuple[str, str]:
    """SEI's result and state for wfapi's status; a word that is new is passed on as the state."""
    return STATUS.get(status or "") or ("UNKNOWN", clip(status or "UNKNOWN", NAME))


def iso_time(millis: int | None) -> str | UnsetType:
    """ISO 8601 in UTC; left out when there is none, or one that no calendar has."""
    if not millis or millis < 0:
        return UNSET
    minute, rest = divmod(millis, MINUTE_MS)
    written = _minute(minute)
    if written is None:
        return UNSET
    return written + SECONDS[rest // 1000] + MILLIS[rest % 1000]


@lru_cache(maxsize=1024)
def _minute(minute: int) -> str | None:
    """The minute since 1970 as ISO 8601: a build's steps share some."""
    try:
        return f"{EPOCH + timedelta(minutes=minute):%Y-%m-%dT%H:%M}"
    except OverflowError:
        return None
