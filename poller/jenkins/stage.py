"""A build's stages and steps, as Jenkins tells them."""

from __future__ import annotations

from msgspec import Struct

from poller.jenkins.build import Millis


class NodeError(Struct, frozen=True, gc=False):
    """``error`` of a stage or step; ``message`` may be null."""

    message: str | None = None


class FlowNode(Struct, frozen=True, gc=False):
    """One of wfapi's ``stageFlowNodes[]``."""

    id: str | None = None
    name: str | None = None
    status: str | None = None
    parameterDescription: str | None = None
    startTimeMillis: Millis | None = None
    durationMillis: Millis | None = None
    error: NodeError | None = None


class Stage(Struct, frozen=True, gc=False):
    """One of wfapi's ``stages[]``: a flat list in wfapi's own order."""

    id: str | None = None
    name: str | None = None
    status: str | None = None
    startTimeMillis: Millis | None = None
    durationMillis: Millis | None = None
    error: NodeError | None = None
    stageFlowNodes: list[FlowNode] = []


class StageTree(Struct, frozen=True, gc=False):
    """``job/…/N/wfapi/describe?fullStages=true``; ``wfapi/runs?fullStages=true`` is a list of it.

    ``id`` is the build's number, as text.
    """

    id: str
    status: str | None = None
    stages: list[Stage] = []
