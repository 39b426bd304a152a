"""A job's builds as summaries: what a comparison with the ledger needs of each."""

from __future__ import annotations

from msgspec import Struct

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer, RemoteError
from poller.jenkins.answers import worth_splitting
from poller.jenkins.build import SUMMARY_TREE, Millis, Number, QueueId, is_completed
from poller.jenkins.client import BUILDS_PER_PAGE, JenkinsClient
from poller.jenkins.discovery import Item

AT_ONCE = 100_000
"""Builds of a history that are asked for at once: some 18 MB, and up to 50 MB of memory."""


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
    builds: list[Summary] | None = None
    allBuilds: list[Summary] | None = None


OUTSIDE = 50
"""Builds in a row that began before ``since`` and end the walk: a clock may have been wrong."""


async def summaries(client: JenkinsClient, item: Item, since: int) -> list[Summary]:
    """The builds of a job from the first one on that began at or after ``since`` (epoch ms), by
    their numbers, newest first.

    The newest hundred cost Jenkins no more than that; only where they don't reach back, all of the
    history is asked for, and Jenkins loads it. Raises RemoteError.
    """
    found = await _list(client, item.full_name, "builds", 0, BUILDS_PER_PAGE)
    tail = found[-OUTSIDE:]
    outside = len(tail) == OUTSIDE and all(0 < one.timestamp < since for one in tail)
    if not outside and item.next_build_number > BUILDS_PER_PAGE + 1:
        # One may have begun in between, and another been deleted.
        every = {one.number: one for one in await _all(client, item.full_name)}
        every.update((one.number, one) for one in found)
        found = [every[number] for number in sorted(every, reverse=True)]
    within = (one.number for one in found if not 0 < one.timestamp < since)
    first = min(within, default=0)
    return [one for one in found if one.number >= first] if first else []


async def _all(client: JenkinsClient, full_name: str) -> list[Summary]:
    """Every build, in so few answers as can be had."""
    every: list[Summary] = []
    size = AT_ONCE
    while True:
        try:
            found = await _list(client, full_name, "allBuilds", len(every), len(every) + size)
        except RemoteError as error:
            if size <= BUILDS_PER_PAGE or not worth_splitting(error):
                raise
            size //= 2
            continue
        every += found
        if len(found) != size:
            return every


async def _list(
    client: JenkinsClient, full_name: str, key: str, first: int, last: int
) -> list[Summary]:
    asked = f"{key}[{SUMMARY_TREE}]{{{first},{last}}}"
    answer = await client.history(full_name, asked, _Summaries)
    listed: list[Summary] | None = getattr(answer, key)
    if listed is None:
        raise BadAnswer(client.where, full_name, f"there is no list {key} in it")
    return listed
