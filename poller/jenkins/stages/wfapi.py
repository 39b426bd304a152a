"""wfapi, of the plugin *Pipeline: REST API*: a flat list of stages, each with its steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from msgspec import Struct

from poller.core.errors import BadAnswer, NotFound, RemoteError, is_away
from poller.jenkins.build import Millis
from poller.jenkins.client import JenkinsClient
from poller.jenkins.console_text import html_text, without_cut_start
from poller.jenkins.paths import MOST_DIGITS, job_path
from poller.jenkins.stage import SKIPPED, Stage, StageTree, Step, outcome
from poller.jenkins.stages.source import EMPTY, MOST_ASKED, TAIL_LIMIT, NodeLog, each

NEWEST_RUNS = 10
"""``wfapi/runs`` always returns the ten newest (measured)."""

RUNS_WORTH_IT = 3
"""``runs`` makes Jenkins read ten flow graphs, ``describe`` one; ``runs`` saves round trips."""

FULL = {"fullStages": "true"}

OUTCOMES = {
    "FAILED": ("FAILURE", "FINISHED"),
    "NOT_EXECUTED": SKIPPED,
    "IN_PROGRESS": ("UNKNOWN", "RUNNING"),
    "PAUSED_PENDING_INPUT": ("UNKNOWN", "PAUSED"),
}
"""wfapi's words that are not core's."""


class NodeError(Struct, frozen=True, gc=False):
    """``error`` of a stage or step; each may be null."""

    message: str | None = None
    type: str | None = None


class FlowNode(Struct, frozen=True, gc=False):
    """One of ``stageFlowNodes[]``."""

    id: str | None = None
    name: str | None = None
    status: str | None = None
    parameterDescription: str | None = None
    startTimeMillis: Millis | None = None
    durationMillis: Millis | None = None
    error: NodeError | None = None


class WfapiStage(Struct, frozen=True, gc=False):
    """One of ``stages[]``. ``stageFlowNodes`` is None where an old plugin leaves it out."""

    id: str | None = None
    name: str | None = None
    status: str | None = None
    startTimeMillis: Millis | None = None
    durationMillis: Millis | None = None
    error: NodeError | None = None
    stageFlowNodes: list[FlowNode] | None = None


class WfapiRun(Struct, frozen=True, gc=False):
    """``job/…/N/wfapi/describe?fullStages=true``; ``wfapi/runs?fullStages=true`` is a list of it.

    ``id`` is the build's number, as text.
    """

    id: str
    stages: list[WfapiStage]

    @property
    def has_steps(self) -> bool:
        """Whether each stage came with its steps, none of them perhaps; one that was not executed
        has none."""
        return all(
            stage.stageFlowNodes is not None or stage.status == "NOT_EXECUTED"
            for stage in self.stages
        )


class WfapiLog(Struct, frozen=True, gc=False):
    """``job/…/N/execution/node/ID/wfapi/log``: HTML. ``hasMore``: it begins later than the log."""

    text: str | None = None
    hasMore: bool = False


class Wfapi:
    """The plugin on one controller."""

    key, name, plugin = "wfapi", "wfapi", "Pipeline: REST API (pipeline-rest-api)"

    def __init__(self, client: JenkinsClient) -> None:
        self._client = client
        self._old = False
        """``describe`` ignores ``fullStages``, as before 2022; ``runs`` does not."""

    async def places(self) -> Sequence[str]:
        """One; the first question tells."""
        self._old = False
        return ("wfapi",)

    async def trees(
        self, place: str, full_name: str, numbers: Sequence[int], newest: Collection[int]
    ) -> dict[int, StageTree | RemoteError]:
        """See :class:`StageSource`: ten at once where that saves requests, else one by one."""
        found: dict[int, StageTree | RemoteError] = {}
        ten = sorted(newest, reverse=True)[:NEWEST_RUNS]
        if len(set(ten).intersection(numbers)) >= (1 if self._old else RUNS_WORTH_IT):
            try:
                found.update(await self._newest_trees(full_name))
            except NotFound as error:
                return dict.fromkeys(numbers, error)
        left = [number for number in numbers if number not in found]
        runs = await each(left, partial(self._describe, full_name))
        bare = [n for n, run in runs.items() if isinstance(run, WfapiRun) and not run.has_steps]
        found |= {
            n: run if isinstance(run, RemoteError) else stage_tree(run)
            for n, run in runs.items()
            if n not in bare
        }
        if bare and not self._old:
            self._old = True
            return found | await self.trees(place, full_name, bare, newest)
        return found | await each(bare, lambda n: self._step_by_step(full_name, n, runs[n]))

    async def read_log(
        self, _place: str, of: NodeLog, take: Callable[[bytes], None], _seconds: float
    ) -> bool:
        """See :class:`StageSource`. The last 10 KiB; of a stage it has none (measured)."""
        if of.step is None:
            raise NotFound(self._client.where, of.what, "wfapi has logs of steps alone")
        path = f"{job_path(of.full_name)}{of.number}/execution/node/{of.node}/wfapi/log"
        log = await self._client.get_json(of.what, path, {}, WfapiLog, TAIL_LIMIT)
        if not log.text:
            raise NotFound(self._client.where, of.what, EMPTY)
        text = html_text(log.text).encode("utf-8", "replace")
        take(without_cut_start(text) if log.hasMore else text)
        return True

    async def _newest_trees(self, full_name: str) -> dict[int, StageTree]:
        """The ten newest: ten flow graphs for Jenkins to read."""
        path = job_path(full_name) + "wfapi/runs"
        what = f"stages of {full_name}"
        try:
            runs = await self._client.get_json(what, path, FULL, list[WfapiRun])
        except NotFound:
            raise
        except RemoteError as error:
            if is_away(error):
                raise
            return {}  # one bad tree spoils the answer for ten: ask for each alone
        return {
            int(run.id): stage_tree(run)
            for run in runs
            if run.has_steps and run.id.isdecimal() and len(run.id) <= MOST_DIGITS
        }

    async def _describe(self, full_name: str, number: int) -> WfapiRun:
        path = f"{job_path(full_name)}{number}/wfapi/describe"
        what = f"stages of {full_name} #{number}"
        return await self._client.get_json(what, path, FULL, WfapiRun)

    async def _step_by_step(
        self, full_name: str, number: int, run: WfapiRun | RemoteError
    ) -> StageTree:
        """The steps of an old plugin's run: one request a stage."""
        assert isinstance(run, WfapiRun)  # noqa: S101 - those that are bare
        if len(run.stages) > MOST_ASKED:
            reason = f"{len(run.stages)} stages, too many to ask"
            raise BadAnswer(self._client.where, f"steps of {full_name} #{number}", reason)
        whole = []
        for stage in run.stages:
            if not (stage.id or "").isdecimal():
                raise BadAnswer(self._client.where, f"{full_name} #{number}", "a stage without id")
            node = f"{number}/execution/node/{stage.id}"
            what = f"steps of {full_name} #{number}"
            path = f"{job_path(full_name)}{node}/wfapi/describe"
            try:
                one = await self._client.get_json(what, path, {}, WfapiStage)
            except NotFound as error:
                raise BadAnswer(error.where, what, f"stage {stage.id}: {error.reason}") from None
            whole.append(one)
        described = WfapiRun(run.id, whole)
        if not described.has_steps:
            raise BadAnswer(self._client.where, f"{full_name} #{number}", "stages without steps")
        return stage_tree(described)


def stage_tree(run: WfapiRun) -> StageTree:
    """The tree, in wfapi's own order. What has no id is left out.

    A stage that was skipped after a failure has no steps, and the error that an earlier stage has
    already (measured): it did not fail.
    """
    stages: dict[str, Stage] = {}
    errors: set[NodeError] = set()
    for one in run.stages:
        error = one.error
        skipped = not one.stageFlowNodes and error in errors
        if error is not None:
            errors.add(error)
        if not one.id:
            continue
        result, state = SKIPPED if skipped else _outcome(one.status)
        steps = {step.id: _step(step) for step in one.stageFlowNodes or () if step.id}
        stages.setdefault(
            one.id,
            Stage(
                one.id,
                one.name or "",
                result,
                state,
                one.startTimeMillis,
                one.durationMillis or 0,
                "" if skipped or error is None else error.message or "",
                list(steps.values()),
            ),
        )
    return StageTree(list(stages.values()), Wfapi.name)


def _step(step: FlowNode) -> Step:
    result, state = _outcome(step.status)
    return Step(
        step.id or "",
        step.name or "",
        result,
        state,
        step.startTimeMillis,
        step.durationMillis or 0,
        step.parameterDescription or "",
    )


def _outcome(status: str | None) -> tuple[str, str]:
    return OUTCOMES.get(status or "") or outcome(status, "UNKNOWN")
