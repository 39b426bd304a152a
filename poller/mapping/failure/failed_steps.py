"""Which steps of a build failed, and what of its console log is their own. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from poller.core.escape import NAME, TEXT, clip
from poller.jenkins.stage import Stage, StageTree, Step
from poller.ledger.logs.steps import StepRef
from poller.mapping.redaction import Redactor

FAILED = ("FAILURE", "ABORTED", "UNSTABLE")
"""Results, the one that explains most first."""

TAIL = 10 * 1024
"""Bytes of the end of a console log that stand for a step's own, where that can't be told."""

AFTER_END_MS = 1_000
"""What a step wrote may come so much later than its end."""

MOST_COMPARED = 100
"""Failed steps that a stage is looked at for."""

_PIPELINE = b"[Pipeline] "
_STAMP = b"[YYYY-MM-DDTHH:MM:SS.mmmZ] "


@dataclass(frozen=True)
class FailedStep:
    """A step that failed, or a stage in which none did. ``start`` and ``end`` are epoch
    milliseconds, 0 where they are not known; ``message`` is what its stage says of the error, where
    that is known. Names and message are masked."""

    of: StepRef
    start: int
    end: int
    message: str = ""


def failed_steps(tree: StageTree, redactor: Redactor, most: int) -> list[FailedStep]:
    """At most so many of a build, what failed first first. What a ``catchError`` or ``try`` caught
    comes after what was not caught, and what was stopped after what failed."""
    found = sorted(_failed(tree), key=lambda one: one[0])
    return [_failed_step(tree, stage, step, redactor) for _, stage, step in found[:most]]


def _failed(tree: StageTree) -> Iterator[tuple[tuple[bool, int, int], Stage, Step | None]]:
    """Stages and steps, each with its place in the order."""
    spans: list[tuple[int, int]] = []
    for stage in tree.stages:
        caught = stage.result not in FAILED
        for step in stage.steps:
            if has_failed(step):
                start, end = _span(step)
                spans.append((start, end))
                yield (caught, FAILED.index(step.result), end), stage, step
    for stage in tree.stages:
        if not has_failed(stage) or any(map(has_failed, stage.steps)):
            continue
        start, end = _span(stage)
        # It failed between its steps, or in one that Jenkins does not list. One that only holds
        # stages failed because of a step in them.
        if not any(start <= first and last <= end for first, last in spans[:MOST_COMPARED]):
            yield (False, FAILED.index(stage.result), end), stage, None


def _span(step: Step) -> tuple[int, int]:
    start = step.start or 0
    return start, start + step.duration


def has_failed(step: Step) -> bool:
    """Whether it ran to its end, and not well."""
    return step.state == "FINISHED" and step.result in FAILED


def _failed_step(
    tree: StageTree, stage: Stage, step: Step | None, redactor: Redactor
) -> FailedStep:
    def name(text: str) -> str:
        return clip(redactor.text(text), NAME)

    ids = clip(stage.id, NAME), name(stage.name)
    if step is None:
        of = StepRef(*ids, result=stage.result)
    else:
        of = StepRef(*ids, clip(step.id, NAME), name(step.name), step.result)
    # Of wfapi alone it is an error; of others it may be anything.
    said = stage.description if tree.source == "wfapi" else ""
    return FailedStep(of, *_span(step or stage), clip(redactor.text(said), TEXT))


def console_part(console: bytes, step: FailedStep) -> bytes:
    """What the step wrote to a console log, as far as times and ``[Pipeline]`` marks tell; empty
    where they don't."""
    if step.start and (part := _between(console, step.start, step.end + AFTER_END_MS)):
        return part
    if b"[Pipeline] parallel\n" in console:
        return b""  # what ran side by side is mixed
    return _last_written(console, step.of.stage_name.encode())


def console_tail(console: bytes) -> bytes:
    """The last whole lines."""
    if len(console) <= TAIL:
        return console
    return console[console.find(b"\n", len(console) - TAIL) + 1 :]


def _between(console: bytes, start: int, end: int) -> bytes:
    """The lines with a time of the Timestamper from ``start`` to ``end``."""
    if not console.startswith(b"[2", 0) and b"\n[2" not in console:
        return b""
    first, last = _stamp(start), _stamp(end)
    lines = (line for line in console.splitlines(keepends=True) if _is_stamped(line))
    return b"".join(
        line
        for line in lines
        if first <= line[: len(_STAMP)] <= last and not line.startswith(_PIPELINE, len(_STAMP))
    )


def _stamp(moment: int) -> bytes:
    """The Timestamper's, of epoch milliseconds."""
    try:
        at = datetime.fromtimestamp(moment / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return b""
    return f"[{at:%Y-%m-%dT%H:%M:%S}.{moment % 1000:03}Z] ".encode()


def _is_stamped(line: bytes) -> bool:
    return line.startswith(b"[2") and line[len(_STAMP) - 3 : len(_STAMP)] == b"Z] "


def _last_written(console: bytes, stage: bytes) -> bytes:
    """What stands last between two marks of the last stage of that name."""
    start = console.rfind(b"[Pipeline] { (%s)\n" % stage)
    if start < 0:
        return b""
    begin = console.find(b"\n", start) + 1
    end = console.find(b"[Pipeline] // stage\n", begin)
    written: list[bytes] = []
    last: list[bytes] = []
    for line in console[begin : None if end < 0 else end].splitlines(keepends=True):
        if not line.startswith(_PIPELINE):
            written.append(line)
        else:
            last, written = written or last, []
    return b"".join(written or last)
