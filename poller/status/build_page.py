"""What the page of one build shows: its facts, its stage tree as bars to scale, its payload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from poller.ledger import Ledger
from poller.mapping.payload import Param, RunStage, RunStages, RunStep, pretty
from poller.status.chart import Span, span
from poller.status.failure_view import FailureView, failure_view

DEEPEST = 20
"""Stages in stages that the page shows as such."""

SHOWN = 128 * 1024
"""Characters of a payload that the page itself shows; the rest is in the file behind the link."""


@dataclass(frozen=True)
class StageBar:
    """A stage or step: what it is, where it lies within the build, and the stages in it."""

    name: str
    description: str
    result: str
    state: str
    duration: int
    span: Span | None
    steps: Sequence[StageBar] = ()
    inner: list[StageBar] = field(default_factory=list)


@dataclass(frozen=True)
class BuildDetails:
    """``url`` is the build's page in Jenkins, empty where it is not known. ``stages`` is None where
    the payload is not kept any more or can't be read; ``payload`` is indented JSON, empty where
    there is none; ``tests`` is what they came to, where that is sent;
    ``failure`` is why it failed, None where nothing is known of that."""

    build: dict[str, Any]
    url: str
    length: int
    stages: list[StageBar] | None
    payload: str
    cut: bool
    characters: int
    tests: str = ""
    failure: FailureView | None = None


class _Kept(msgspec.Struct):
    job_run: RunStages | None = None
    web_url: str = ""
    job_run_params: list[Param] = []


def build_page(ledger: Ledger, number: int) -> BuildDetails | None:
    """The page of the build with that id; None when there is none. Raises LedgerError."""
    build = ledger.page_queries.build(number)
    if build is None:
        return None
    body = ledger.page_queries.payload(number)
    text = "" if body is None else pretty(body)
    kept = _Kept() if body is None else read(body)
    tree = None if body is None or kept is None else kept.job_run or RunStages([])
    length = build["duration"] if tree is None else whole_length(tree, build)
    return BuildDetails(
        build=build,
        length=length,
        url=web_address(kept.web_url if kept else ""),
        stages=None
        if tree is None
        else nested(
            bars(tree.stages, build["timestamp"], length), ledger.page_queries.depths(number)
        ),
        payload=text[:SHOWN],
        cut=len(text) > SHOWN,
        characters=len(text),
        tests=test_results(kept.job_run_params if kept else ()),
        failure=failure_view(ledger, number),
    )


def test_results(params: Iterable[Param]) -> str:
    """``120, 3 failed, 2 skipped``, of the parameters; empty where they have none."""
    values = {param.name: param.value for param in params}
    total, failed, skipped = (values.get(f"TEST_{one}") for one in ("TOTAL", "FAILED", "SKIPPED"))
    return f"{total}, {failed} failed, {skipped} skipped" if total else ""


def read(body: bytes) -> _Kept | None:
    """What the page needs of a payload; None when it can't be read."""
    try:
        return msgspec.json.decode(body, type=_Kept)
    except msgspec.DecodeError:
        return None


def web_address(url: str) -> str:
    """The address if a browser may follow it, else empty: a payload is somebody's text."""
    return url if url.startswith(("https://", "http://")) else ""


def whole_length(tree: RunStages, build: dict[str, Any]) -> int:
    """Milliseconds that bars are drawn to: the build, or its last stage where that ends later."""
    ends: list[int] = [
        start - build["timestamp"] + stage.durationInMillis
        for stage in tree.stages
        if (start := epoch(stage.startTime)) is not None
    ]
    duration: int = build["duration"]
    return max(duration, *ends, 0)


def bars(steps: Iterable[RunStep], begin: int, length: int) -> list[StageBar]:
    """Stages (or steps) with their places in a build that began at ``begin``."""
    return [
        StageBar(
            name=step.displayName or "(no name)",
            description=step.displayDescription
            if step.displayDescription != step.displayName
            else "",
            result=step.result,
            state=step.state,
            duration=step.durationInMillis,
            span=span(epoch(step.startTime), step.durationInMillis, begin, length),
            steps=bars(step.steps, begin, length) if isinstance(step, RunStage) else (),
        )
        for step in steps
    ]


def nested(stages: Sequence[StageBar], depths: Sequence[int]) -> list[StageBar]:
    """Each stage in the one that it lies in; as they are, where ``depths`` are not of them."""
    if len(stages) != len(depths):
        return list(stages)
    top: list[StageBar] = []
    around: list[StageBar] = []
    for stage, depth in zip(stages, depths, strict=True):
        del around[min(depth, DEEPEST) :]
        (around[-1].inner if around else top).append(stage)
        around.append(stage)
    return top


def epoch(moment: str | UnsetType) -> int | None:
    """ISO 8601 as epoch milliseconds; None where there is none, or it is none."""
    if moment is UNSET:
        return None
    try:
        return int(datetime.fromisoformat(str(moment)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
