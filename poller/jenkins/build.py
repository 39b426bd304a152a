"""Jenkins' JSON as typed structs: only what the program reads.

Names are Jenkins' own, as its answers are decoded straight into these. What plugins may fill with
anything (the parts of an action) stays untyped here and is checked where it is used.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from poller.core.build_key import MOST_BUILDS, BuildKey

LAST_MS = 253_402_300_799_999
"""The end of the year 9999, in epoch milliseconds: no calendar goes further."""

LONG = 2**63 - 1
"""Jenkins counts what waits with Java's long."""

Number = Annotated[int, Meta(ge=1, le=MOST_BUILDS)]
Millis = Annotated[int, Meta(ge=-LAST_MS, le=LAST_MS)]
QueueId = Annotated[int, Meta(ge=-LONG - 1, le=LONG)]
"""What Jenkins' numbers can be. One that is more is no Jenkins', and fits into no ledger."""

LISTED_FILES = 100
"""Archived files of a build that are listed; there may be more."""

BUILD_TREE = (
    "_class,number,timestamp,duration,building,inProgress,result,queueId,url,builtOn,"
    "actions[_class,causes[_class,userId,upstreamProject,upstreamBuild,addr],"
    "parameters[_class,name,value,jobName,number,tag,label],"
    "lastBuiltRevision[SHA1,branch[SHA1,name]],remoteUrls,"
    "buildsByBranchName[marked[SHA1],revision[SHA1]],mercurialNodeName,libraries[name,version],"
    "totalCount,failCount,skipCount],"
    "changeSet[kind,items[commitId],revisions[revision]],"
    "changeSets[kind,items[commitId],revisions[revision]],"
    f"artifacts[fileName,relativePath]{{0,{LISTED_FILES}}}"
)
"""The ``tree=`` of one build: what :class:`Build` holds."""

SUMMARY_TREE = "number,timestamp,queueId,duration,result,building,inProgress"
"""The fewest fields of a build: what the ledger is compared with."""

CAUSES_TREE = (
    "number,timestamp,actions[_class,causes[_class,userId,upstreamProject,upstreamBuild,addr]]"
)
"""The ``tree=`` of an upstream build: what :class:`Origin` holds."""


class Action(Struct, frozen=True, gc=False):
    """One of a build's ``actions[]``; many are ``{}``."""

    cls: str = field(default="", name="_class")
    causes: Any = None
    parameters: Any = None
    lastBuiltRevision: Any = None
    remoteUrls: Any = None
    buildsByBranchName: Any = None
    mercurialNodeName: Any = None
    libraries: Any = None
    totalCount: Any = None
    failCount: Any = None
    skipCount: Any = None


class TestCounts(Struct, frozen=True, gc=False):
    """How many tests a build ran, and how many of them failed or were skipped."""

    total: int
    failed: int
    skipped: int


class Change(Struct, frozen=True, gc=False):
    """One commit of a change set; Subversion has no ``commitId`` of 40 digits."""

    commitId: str | None = None


class ChangeSet(Struct, frozen=True, gc=False):
    """``changeSet`` of a freestyle build, one of ``changeSets`` of a pipeline."""

    cls: str = field(default="", name="_class")
    kind: str | None = None
    items: list[Change] = []
    revisions: Any = None


class ArchivedFile(Struct, frozen=True, gc=False):
    """One of a build's ``artifacts[]``; the path is relative to the archive."""

    fileName: str = ""
    relativePath: str = ""


class Origin(Struct, frozen=True, gc=False):
    """``job/…/N/api/json?tree=CAUSES_TREE``: when a build started (epoch ms), and why."""

    number: Number
    timestamp: Millis
    actions: list[Action | None]


def is_completed(building: bool | None, in_progress: bool | None) -> bool:
    """Whether a build has ended: neither ``building`` nor ``inProgress``.

    ``building`` alone is false already while run listeners work; ``inProgress``, which there is
    since core 2.369, alone is false before a scheduled pipeline has begun (both measured).
    """
    return building is False and not in_progress


class Build(Struct, frozen=True, gc=False):
    """``job/…/N/api/json?tree=BUILD_TREE``. Times are epoch ms, durations ms."""

    number: Number
    timestamp: Millis = 0
    cls: str = field(default="", name="_class")
    duration: Millis = 0
    building: bool | None = None
    inProgress: bool | None = None
    result: str | None = None
    queueId: QueueId | None = None
    url: str | None = None
    builtOn: str | None = None
    actions: list[Action | None] = []
    changeSet: ChangeSet | None = None
    changeSets: list[ChangeSet] = []
    artifacts: list[ArchivedFile] = []

    @property
    def key(self) -> BuildKey:
        """What makes it this build and no other."""
        return BuildKey(self.number, max(0, self.timestamp), max(0, self.queueId or 0))

    @property
    def tests(self) -> TestCounts | None:
        """Its test results; the largest, as a build of several modules has a sum of theirs, too."""
        actions = [one for one in self.actions if one is not None]
        counts = [(one.totalCount, one.failCount, one.skipCount) for one in actions]
        found = [
            TestCounts(*three)
            for three in counts
            if all(type(one) is int and 0 <= one <= MOST_BUILDS for one in three)
        ]
        return max(found, key=lambda counts: counts.total, default=None)

    @property
    def completed(self) -> bool:
        """The build has ended."""
        return is_completed(self.building, self.inProgress)

    @property
    def preliminary(self) -> bool:
        """The record looks like one of a pipeline's last moments, when its result may still change:
        for up to 0.6 s it has ended and has no duration yet (measured)."""
        return self.completed and self.duration == 0

    @property
    def broken(self) -> bool:
        """Jenkins could not load all of it: a completed build without a start or a result."""
        return self.completed and (self.timestamp <= 0 or not self.result)
