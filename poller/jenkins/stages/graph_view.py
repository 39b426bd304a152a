"""*Pipeline Graph View*, which the setup wizard installs since core 2.448: a nested tree of stages,
and a flat list of steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Generic, TypeVar

from msgspec import Struct

from poller.core.errors import BadAnswer, NotFound, RemoteError
from poller.jenkins.build import Millis
from poller.jenkins.client import JenkinsClient
from poller.jenkins.console import LogRequest, read_log
from poller.jenkins.paths import job_path
from poller.jenkins.stage import Stage, StageTree, Step, outcome
from poller.jenkins.stages.source import EMPTY, NodeLog, each

T = TypeVar("T")

NO_STAGE = ("PARALLEL_BLOCK", "PIPELINE_START")
"""Types of what only holds stages."""

NOT_RUN = ("skipped", "not_built")

NO_LOGS = b"No logs found\n"
"""What stands for a log that is not there."""

MOST_READ = 64 * 2**20
"""Bytes of a step's log: of a longer one, the end stands in the console log."""

TOO_OLD = "too old: it gives durations as words; update the plugin to 439 or later"


class GraphNode(Struct, frozen=True, gc=False):
    """A stage or a step. ``totalDurationMillis`` is left out of what did not run, and text before
    version 439."""

    id: str
    name: str | None = None
    title: str | None = None
    state: str = "unknown"
    type: str | None = None
    startTimeMillis: Millis | str | None = None
    totalDurationMillis: Millis | str | None = None


class GraphStage(GraphNode, frozen=True):
    """One of ``tree``'s ``stages[]``; a placeholder holds the steps that stand in no stage."""

    placeholder: bool = False
    children: list[GraphStage] | None = None


class GraphStep(GraphNode, frozen=True, gc=False):
    """One of ``allSteps``' ``steps[]``."""

    stageId: str | None = None


class GraphStages(Struct, frozen=True):
    """``data`` of ``tree``."""

    complete: bool = False
    stages: list[GraphStage] | None = None


class GraphSteps(Struct, frozen=True):
    """``data`` of ``allSteps``; before some version without ``runIsComplete``."""

    runIsComplete: bool = True
    steps: list[GraphStep] | None = None


class GraphAnswer(Struct, Generic[T], frozen=True):
    """What both answer with status 200, an error, too."""

    status: str = ""
    data: T | None = None


class GraphView:
    """The plugin on one controller."""

    key, name, plugin = "graph-view", "Pipeline Graph View", "Pipeline Graph View"

    def __init__(self, client: JenkinsClient) -> None:
        self._client = client

    async def places(self) -> Sequence[str]:
        """Its path, of version 777 and later, of 520 and later, and of earlier ones."""
        return ("stages", "pipeline-overview", "pipeline-console")

    async def trees(
        self, place: str, full_name: str, numbers: Sequence[int], _newest: Collection[int]
    ) -> dict[int, StageTree | RemoteError]:
        """See :class:`StageSource`: two requests a build."""
        return await each(numbers, partial(self._tree, place, full_name))

    async def read_log(
        self, place: str, of: NodeLog, take: Callable[[bytes], None], seconds: float
    ) -> bool:
        """See :class:`StageSource`. All of it; of a stage, that of each of its steps."""
        path = f"{job_path(of.full_name)}{of.number}/{place}/log"
        request = LogRequest(of.what, path, {"nodeId": of.node})
        start = bytearray()

        def after_start(chunk: bytes) -> None:
            """Whether there is a log at all, its first bytes tell."""
            if len(start) > len(NO_LOGS):
                take(chunk)
                return
            start.extend(chunk)
            if len(start) > len(NO_LOGS):
                take(bytes(start))

        part = await read_log(self._client, request, after_start, limit=MOST_READ, seconds=seconds)
        if len(start) <= len(NO_LOGS):
            if start in (b"", NO_LOGS):
                raise NotFound(self._client.where, of.what, EMPTY)
            take(bytes(start))
        return part.complete

    async def _tree(self, place: str, full_name: str, number: int) -> StageTree:
        path = f"{job_path(full_name)}{number}/{place}"
        what = f"stages of {full_name} #{number}"
        tree = await self._get(what, f"{path}/tree", GraphAnswer[GraphStages])
        if not tree.complete or tree.stages is None:
            raise BadAnswer(self._client.where, what, "not complete")
        flat = flattened(tree.stages)
        if not has_times(stage for stage, _ in flat):
            raise NotFound(self._client.where, what, TOO_OLD)
        if not flat:
            return StageTree([], self.name)
        what = f"steps of {full_name} #{number}"
        answer = await self._get(what, f"{path}/allSteps", GraphAnswer[GraphSteps])
        if not answer.runIsComplete or answer.steps is None:
            raise BadAnswer(self._client.where, what, "not complete")
        return stage_tree(flat, answer.steps)

    async def _get(self, what: str, path: str, kind: type[GraphAnswer[T]]) -> T:
        answer = await self._client.get_json(what, path, {}, kind)
        if answer.status != "ok" or answer.data is None:
            reason = f"status {answer.status or 'is missing'}"
            raise BadAnswer(self._client.where, what, reason)
        return answer.data


def flattened(stages: Iterable[GraphStage]) -> list[tuple[GraphStage, int]]:
    """Depth first, each with the number of stages that it lies in; each id once. What has no id
    is left out: SEI drops the whole run for one."""
    found: dict[str, tuple[GraphStage, int]] = {}
    left = [(stage, 0) for stage in reversed(list(stages))]
    while left:
        stage, depth = left.pop()
        if stage.id and stage.type not in NO_STAGE and not stage.placeholder:
            found.setdefault(stage.id, (stage, depth))
            depth += 1
        left += [(child, depth) for child in reversed(stage.children or ())]
    return list(found.values())


def has_times(stages: Iterable[GraphStage]) -> bool:
    """Whether the times of all that ran are numbers."""
    return all(
        stage.state in NOT_RUN
        or (isinstance(stage.startTimeMillis, int) and isinstance(stage.totalDurationMillis, int))
        for stage in stages
    )


def stage_tree(stages: Iterable[tuple[GraphStage, int]], steps: Iterable[GraphStep]) -> StageTree:
    """The tree; a step whose stage is none of them is left out."""
    by_stage: dict[str | None, dict[str, Step]] = defaultdict(dict)
    for step in steps:
        if not step.id:
            continue
        by_stage[step.stageId].setdefault(step.id, Step(*_fields(step), step.title or ""))
    return StageTree(
        [
            Stage(*_fields(stage), "", list(by_stage[stage.id].values()), depth)
            for stage, depth in stages
        ],
        GraphView.name,
    )


def _fields(node: GraphNode) -> tuple[str, str, str, str, int | None, int]:
    start, duration = node.startTimeMillis, node.totalDurationMillis
    return (
        node.id,
        node.name or "",
        *outcome(node.state.upper(), node.state.upper()),
        start if isinstance(start, int) else None,
        duration if isinstance(duration, int) else 0,
    )
