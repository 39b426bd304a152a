"""*Blue Ocean*: a flat list of stages, and their steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from urllib.parse import quote

from msgspec import Struct

from poller.core.errors import BadAnswer, NotFound, RemoteError, is_away
from poller.core.tasks import together
from poller.jenkins.build import Millis
from poller.jenkins.client import FACTS_LIMIT, JenkinsClient
from poller.jenkins.console import LogRequest, read_log
from poller.jenkins.console_text import without_cut_start
from poller.jenkins.discovery import in_multibranch
from poller.jenkins.paths import MOST_DIGITS, is_name, job_path
from poller.jenkins.stage import Stage, StageTree, Step, outcome
from poller.jenkins.stages.source import EMPTY, MOST_ASKED, TAIL_LIMIT, NodeLog, each

ALL = {"limit": "10000"}
"""Without it, a page has 100."""


TAIL = 150 * 1024
"""Bytes of a log, hidden notes included, that come where no other size is asked for."""


class Organization(Struct, frozen=True):
    """One of ``/blue/rest/organizations/``; nearly always there is one, ``jenkins``."""

    name: str


class BlueNode(Struct, frozen=True, gc=False):
    """One of ``nodes/`` or ``steps/``. Without result and state, it is one that the last successful
    run had and this one has not reached."""

    id: str
    displayName: str | None = None
    displayDescription: str | None = None
    result: str | None = None
    state: str | None = None
    startTime: str | None = None
    durationInMillis: Millis | None = None
    type: str | None = None


class BlueOcean:
    """The plugin on one controller."""

    key, name, plugin = "blue-ocean", "Blue Ocean", "Blue Ocean"

    def __init__(self, client: JenkinsClient) -> None:
        self._client = client
        self._multibranch: dict[str, bool] = {}

    async def places(self) -> Sequence[str]:
        """The names of its organizations."""
        found = await self._client.get_json(
            "Blue Ocean", "blue/rest/organizations/", {}, list[Organization], FACTS_LIMIT
        )
        return [one.name for one in found if is_name(one.name)]

    async def trees(
        self, place: str, full_name: str, numbers: Sequence[int], _newest: Collection[int]
    ) -> dict[int, StageTree | RemoteError]:
        """See :class:`StageSource`: two requests a build, more where branches ran side by side."""
        try:
            pipeline = await self._pipeline(place, full_name)
        except RemoteError as error:
            if is_away(error):
                raise
            return dict.fromkeys(numbers, error)
        return await each(numbers, partial(self._tree, pipeline, full_name))

    async def read_log(
        self, place: str, of: NodeLog, take: Callable[[bytes], None], seconds: float
    ) -> bool:
        """See :class:`StageSource`. The last 150 KiB: all of it is put together in Jenkins'
        memory."""
        pipeline = await self._pipeline(place, of.full_name)
        kind = "nodes" if of.step is None else "steps"
        request = LogRequest(of.what, f"{pipeline}runs/{of.number}/{kind}/{of.node}/log/")
        tail = bytearray()
        part = await read_log(self._client, request, tail.extend, limit=TAIL_LIMIT, seconds=seconds)
        if not tail:
            raise NotFound(self._client.where, of.what, EMPTY)
        # Of a long one the size comes too late for a header.
        whole = part.size is not None and part.size <= TAIL
        take(bytes(tail) if whole else without_cut_start(bytes(tail)))
        return part.complete

    async def _tree(self, pipeline: str, full_name: str, number: int) -> StageTree:
        run = f"{pipeline}runs/{number}/"
        what = f"stages of {full_name} #{number}"
        nodes = stages_of(await self._get(what, f"{run}nodes/"))
        if any(node.type == "PARALLEL" for node in nodes):
            if len(nodes) > MOST_ASKED:
                raise BadAnswer(self._client.where, what, f"{len(nodes)} stages, too many to ask")
            # Whose a step of the run is can't be told where stages ran side by side.
            steps = await together(self._steps(what, run, node.id) for node in nodes)
        else:
            steps = assigned(nodes, await self._get(what, f"{run}steps/") if nodes else [])
        return StageTree(
            [
                Stage(*_fields(node), node.displayDescription or "", unique(steps_of_it))
                for node, steps_of_it in zip(nodes, steps, strict=True)
            ],
            self.name,
        )

    async def _pipeline(self, organization: str, full_name: str) -> str:
        """A branch of a multibranch project lies elsewhere than other jobs."""
        job_path(full_name)  # for what it raises
        folder, _, name = full_name.rpartition("/")
        if folder not in self._multibranch:
            self._multibranch[folder] = await in_multibranch(self._client, full_name)
        path = "".join(f"pipelines/{quote(one, safe='')}/" for one in folder.split("/") if one)
        last = "branches" if self._multibranch[folder] else "pipelines"
        return (
            f"blue/rest/organizations/{quote(organization, safe='')}/{path}"
            f"{last}/{quote(name, safe='')}/"
        )

    async def _steps(self, what: str, run: str, node: str) -> list[BlueNode]:
        return await self._get(what, f"{run}nodes/{node}/steps/") if node_number(node) else []

    async def _get(self, what: str, path: str) -> list[BlueNode]:
        return await self._client.get_json(what, path, ALL, list[BlueNode])


def stages_of(nodes: Iterable[BlueNode]) -> list[BlueNode]:
    """Those that this run has, each id once."""
    return list({one.id: one for one in nodes if one.id and (one.result or one.state)}.values())


def assigned(stages: Sequence[BlueNode], steps: Iterable[BlueNode]) -> list[list[BlueNode]]:
    """The steps of a run to its stages, none of which ran beside another: a step belongs to the
    last stage that began before it, as the ids tell, and had not ended when it began."""
    found: list[list[BlueNode]] = [[] for _ in stages]
    to_begin = sorted(range(len(stages)), key=lambda at: node_number(stages[at].id), reverse=True)
    under_way: list[int] = []
    for step in sorted(steps, key=lambda step: node_number(step.id)):
        began = epoch(step.startTime) or 0
        while to_begin and node_number(stages[to_begin[-1]].id) < node_number(step.id):
            under_way.append(to_begin.pop())
        while under_way and began > _end(stages[under_way[-1]]):
            under_way.pop()
        if under_way:
            found[under_way[-1]].append(step)
    return found


def unique(steps: Iterable[BlueNode]) -> list[Step]:
    """Each id once."""
    return [
        Step(*_fields(step), step.displayDescription or "")
        for step in {step.id: step for step in steps if step.id}.values()
    ]


def node_number(node: str) -> int:
    """Jenkins numbers its nodes as they begin; 0 for an id that is no number."""
    return int(node) if node.isdecimal() and len(node) < MOST_DIGITS else 0


def epoch(moment: str | None) -> int | None:
    """ISO 8601 as epoch milliseconds; None where there is none, or it is none."""
    try:
        return int(datetime.fromisoformat(moment or "").timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _end(node: BlueNode) -> int:
    return (epoch(node.startTime) or 0) + (node.durationInMillis or 0)


def _fields(node: BlueNode) -> tuple[str, str, str, str, int | None, int]:
    return (
        node.id,
        node.displayName or "",
        *outcome(node.result, node.state or "UNKNOWN"),
        epoch(node.startTime),
        node.durationInMillis or 0,
    )
