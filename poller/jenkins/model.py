"""Jenkins' JSON as typed structs: only what the program reads.

Names are Jenkins' own, as its answers are decoded straight into these. What plugins may fill with
anything (the parts of an action) stays untyped here and is looked at where it is used.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from poller.watermark import Start

BUILD_TREE = (
    "_class,number,timestamp,duration,building,inProgress,result,queueId,url,"
    "actions[_class,causes[_class,userId,upstreamProject,upstreamBuild,addr],"
    "parameters[_class,name,value],lastBuiltRevision[SHA1,branch[SHA1,name]],remoteUrls],"
    "changeSet[kind,items[commitId]],changeSets[kind,items[commitId]]"
)
"""The ``tree=`` of one build: what :class:`Build` holds."""


class Action(Struct, frozen=True, gc=False):
    """One of a build's ``actions[]``; many are ``{}``."""

    cls: str = field(default="", name="_class")
    causes: Any = None
    parameters: Any = None
    lastBuiltRevision: Any = None
    remoteUrls: Any = None


class Change(Struct, frozen=True, gc=False):
    """One commit of a change set; Subversion has no ``commitId`` of 40 digits."""

    commitId: str | None = None


class ChangeSet(Struct, frozen=True, gc=False):
    """``changeSet`` of a freestyle build, one of ``changeSets`` of a pipeline."""

    kind: str | None = None
    items: list[Change] = []


class Build(Struct, frozen=True, gc=False):
    """``job/…/N/api/json?tree=BUILD_TREE``. Times are epoch ms, durations ms."""

    number: int
    timestamp: int = 0
    cls: str = field(default="", name="_class")
    duration: int = 0
    building: bool | None = None
    inProgress: bool | None = None
    result: str | None = None
    queueId: int | None = None
    url: str | None = None
    actions: list[Action | None] = []
    changeSet: ChangeSet | None = None
    changeSets: list[ChangeSet] = []

    @property
    def start(self) -> Start:
        """What tells the build from every other one."""
        return Start(self.number, max(0, self.timestamp), max(0, self.queueId or 0))

    @property
    def completed(self) -> bool:
        """Nothing of the build will change: ``inProgress`` false; before core 2.369, ``building``.

        ``building`` alone is false already while run listeners work.
        """
        running = self.building if self.inProgress is None else self.inProgress
        return running is False

    @property
    def broken(self) -> bool:
        """Jenkins could not load it whole: a completed build without a start or a result."""
        return self.completed and (self.timestamp <= 0 or not self.result)


class NodeError(Struct, frozen=True, gc=False):
    """``error`` of a stage or step; ``message`` may be null."""

    message: str | None = None


class Step(Struct, frozen=True, gc=False):
    """One of wfapi's ``stageFlowNodes[]``."""

    id: str | None = None
    name: str | None = None
    status: str | None = None
    parameterDescription: str | None = None
    startTimeMillis: int | None = None
    durationMillis: int | None = None
    error: NodeError | None = None


class Stage(Struct, frozen=True, gc=False):
    """One of wfapi's ``stages[]``: a flat list in wfapi's own order."""

    id: str | None = None
    name: str | None = None
    status: str | None = None
    startTimeMillis: int | None = None
    durationMillis: int | None = None
    error: NodeError | None = None
    stageFlowNodes: list[Step] = []


class StageTree(Struct, frozen=True, gc=False):
    """``job/…/N/wfapi/describe?fullStages=true``; ``wfapi/runs?fullStages=true`` is a list of it.

    ``id`` is the build's number, as text.
    """

    id: str
    status: str | None = None
    stages: list[Stage] = []
