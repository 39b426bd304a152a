"""A build's stages and steps, whichever plugin of Jenkins told them."""

from __future__ import annotations

from msgspec import Struct

from poller.core.escape import NAME, clip

PIPELINE_RUN = "org.jenkinsci.plugins.workflow.job.WorkflowRun"
"""The one class of build that has stages (measured)."""

SKIPPED = ("NOT_BUILT", "SKIPPED")
"""Result and state of a stage that did not run."""


class Step(Struct, frozen=True, gc=False):
    """One step. ``result`` and ``state`` are SEI's words; a word of Jenkins' that is new is the
    state of an UNKNOWN result. ``start`` is epoch milliseconds, ``duration`` milliseconds.
    ``description`` is what it was given, or what went wrong.
    """

    id: str
    name: str = ""
    result: str = "UNKNOWN"
    state: str = "UNKNOWN"
    start: int | None = None
    duration: int = 0
    description: str = ""


class Stage(Step, frozen=True, gc=False):
    """One stage, or parallel branch. ``depth`` is the number of stages that it lies in, where
    Jenkins tells."""

    steps: list[Step] = []
    depth: int = 0

    @property
    def ran(self) -> bool:
        """It did something."""
        return self.state not in ("SKIPPED", "UNKNOWN")


class StageTree(Struct, frozen=True, gc=False):
    """All stages of a build, depth first, each id once. ``source`` is who told them."""

    stages: list[Stage] = []
    source: str = "wfapi"


def outcome(result: str | None, state: str = "FINISHED") -> tuple[str, str]:
    """SEI's result and state. A word that is no result is passed on as the state."""
    if result in ("NOT_BUILT", "SKIPPED") or state in ("NOT_BUILT", "SKIPPED"):
        return SKIPPED
    if result in ("SUCCESS", "FAILURE", "UNSTABLE", "ABORTED"):
        return result, "FINISHED"
    return "UNKNOWN", clip(state if result in (None, "UNKNOWN") else result, NAME)
