"""A stage tree as SEI's ``job_run``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec import UNSET, UnsetType

from poller.core.escape import NAME, TEXT, clip
from poller.jenkins.stage import Stage, StageTree, Step
from poller.mapping.payload import RunStage, RunStages, RunStep
from poller.mapping.redaction import Redactor

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout
MINUTE_MS = 60_000
SECONDS = tuple(f":{second:02}." for second in range(60))
MILLIS = tuple(f"{milli:03}Z" for milli in range(1_000))
"""The ends of a time, made once: a large build has a thousand times in it."""


def run_stages(tree: StageTree, redactor: Redactor) -> RunStages:
    """In the tree's order, not nested: SEI's stages are a list."""
    redact = redactor.text if redactor.may_contain_secret(set(_texts(tree))) else None
    names, texts = _Texts(redact, NAME), _Texts(redact, TEXT)
    return RunStages([_stage(stage, names, texts) for stage in tree.stages])


def _texts(tree: StageTree) -> Iterator[str]:
    """Every text of the tree that may be sent."""
    for stage in tree.stages:
        for one in (stage, *stage.steps):
            yield one.name
            yield one.description


class _Texts:
    """Texts of one build made fit to send, each once: most steps share a handful of them.
    ``redact`` is None where there is no secret in any."""

    def __init__(self, redact: Callable[[str], str] | None, limit: int) -> None:
        self._redact = redact
        self._limit = limit
        self._done = {"": ""}

    def __call__(self, text: str) -> str:
        """``text`` without secrets, no longer than the limit."""
        done = self._done.get(text)
        if done is None:
            safe = text if self._redact is None else self._redact(text)
            done = self._done[text] = clip(safe, self._limit)
        return done


def _stage(stage: Stage, names: _Texts, texts: _Texts) -> RunStage:
    return RunStage(
        id=clip(stage.id, NAME),
        startTime=iso_time(stage.start),
        displayName=names(stage.name),
        displayDescription=texts(stage.description or stage.name),
        durationInMillis=max(0, stage.duration),
        result=stage.result,
        state=stage.state,
        steps=[_step(step, names, texts) for step in stage.steps],
    )


def _step(step: Step, names: _Texts, texts: _Texts) -> RunStep:
    return RunStep(
        id=clip(step.id, NAME),
        startTime=iso_time(step.start),
        displayName=names(step.name),
        displayDescription=texts(step.description or step.name),
        durationInMillis=max(0, step.duration),
        result=step.result,
        state=step.state,
    )


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
