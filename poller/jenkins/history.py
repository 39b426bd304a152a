"""A job's builds as summaries: what a comparison with the ledger needs of each."""

from __future__ import annotations

from msgspec import Struct

from poller.core.build_key import BuildKey
from poller.jenkins.build import Millis, Number, QueueId, is_completed
from poller.jenkins.client import BUILDS_PER_PAGE, JenkinsClient
from poller.jenkins.discovery import Item

SUMMARY_TREE = "number,timestamp,queueId,duration,result,building,inProgress"


class Summary(Struct, frozen=True, gc=False):
    """What of a build says whether the ledger is right about it. Times are epoch ms."""

    number: Number
    timestamp: Millis = 0
    queueId: QueueId | None = None
    duration: Millis = 0
    result: str | None = None
    building: bool | None = None
    inProgress: bool | None = None

    @property
    def key(self) -> BuildKey:
        """What makes it this build and no other."""
        return BuildKey(self.number, max(0, self.timestamp), max(0, self.queueId or 0))

    @property
    def completed(self) -> bool:
        """Nothing of the build will change."""
        return is_completed(self.building, self.inProgress)


class _Summaries(Struct):
    builds: list[Summary] = []
    allBuilds: list[Summary] = []


OUTSIDE = 50
"""Builds in a row that began before ``since`` and end the walk: a clock may have been wrong."""


async def summaries(client: JenkinsClient, item: Item, since: int) -> list[Summary]:
    """The builds of a job from the first one on that began at or after ``since`` (epoch ms), by
    their numbers, newest first.

    The newest hundred cost Jenkins no more than that; only where they don't reach back, all of the
    history is asked for, and Jenkins loads it. Raises RemoteError.
    """
    newest = f"builds[{SUMMARY_TREE}]{{0,{BUILDS_PER_PAGE}}}"
    found = (await client.history(item.full_name, newest, _Summaries)).builds
    tail = found[-OUTSIDE:]
    outside = len(tail) == OUTSIDE and all(0 < one.timestamp < since for one in tail)
    if not outside and item.next_build_number > BUILDS_PER_PAGE + 1:
        every = f"allBuilds[{SUMMARY_TREE}]"
        older = (await client.history(item.full_name, every, _Summaries)).allBuilds
        # One may have begun in between, and another been deleted.
        found = list({one.number: one for one in (*older, *found)}.values())
        found.sort(key=lambda one: one.number, reverse=True)
    within = (one.number for one in found if not 0 < one.timestamp < since)
    first = min(within, default=0)
    return [one for one in found if one.number >= first] if first else []
