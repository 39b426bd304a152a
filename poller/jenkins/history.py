"""A job's builds as summaries, newest first: what a comparison with the ledger needs of each."""

from __future__ import annotations

import contextlib

from msgspec import Struct

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer, NotFound, RemoteError
from poller.core.times import is_before
from poller.jenkins.answers import decode_if, worth_splitting
from poller.jenkins.build import SUMMARY_TREE, Build, Millis, Number, QueueId, is_completed
from poller.jenkins.build_pages import summaries_at
from poller.jenkins.build_values import read_page
from poller.jenkins.client import BUILDS_PER_PAGE, JenkinsClient

AT_ONCE = 100_000
"""Builds of a history that are asked for at once: some 18 MB, and up to 50 MB of memory."""


class Summary(Struct, frozen=True, gc=False):
    """What of a build says whether the ledger is right about it. Times are epoch ms."""

    number: Number
    timestamp: Millis
    queueId: QueueId | None
    duration: Millis
    result: str | None
    building: bool | None = None
    inProgress: bool | None = None
    unreadable: str = ""
    """Why only its number is known."""

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


async def summaries(
    client: JenkinsClient, full_name: str, since: int, promised: int = 0
) -> list[Summary]:
    """The builds of a job from the first one on that began at or after ``since`` (epoch ms), by
    their numbers, newest first. ``promised`` is a number that was used: where no list shows it, it
    is asked for by itself.

    The newest hundred cost Jenkins no more than that; only where they don't reach back, all of the
    history is asked for, and Jenkins loads it. Raises RemoteError; BadAnswer where a build has no
    number, or the list proves to be an old one.
    """
    history = _History(client, full_name)
    found = await history.part("builds", 0, BUILDS_PER_PAGE)
    tail = found[-OUTSIDE:]
    outside = len(tail) == OUTSIDE and all(is_before(one.timestamp, since) for one in tail)
    if not outside and len(found) + history.nameless >= BUILDS_PER_PAGE:
        # One may have begun in between, and another been deleted.
        every = {one.number: one for one in await history.every()}
        every.update((one.number, one) for one in found)
        found = [every[number] for number in sorted(every, reverse=True)]
    if history.nameless:
        why = f"{history.nameless} builds without a number"
        raise BadAnswer(client.where, full_name, why)
    if promised > max((one.number for one in found), default=0):
        await _check_newest(client, full_name, promised)
    within = (one.number for one in found if not is_before(one.timestamp, since))
    first = min(within, default=0)
    return [one for one in found if one.number >= first] if first else []


async def _check_newest(client: JenkinsClient, full_name: str, promised: int) -> None:
    with contextlib.suppress(NotFound):
        await client.build_key(full_name, promised)
        why = f"the list of its builds does not show #{promised}, which is there"
        raise BadAnswer(client.where, full_name, why)


class _History:
    """One job's. ``nameless`` builds had no number and were left out."""

    def __init__(self, client: JenkinsClient, full_name: str) -> None:
        self.nameless = 0
        self._client = client
        self._full_name = full_name

    async def every(self) -> list[Summary]:
        """Every build, in so few answers as can be had."""
        every: list[Summary] = []
        at, size = 0, AT_ONCE
        while True:
            try:
                before = self.nameless
                found = await self.part("allBuilds", at, at + size)
            except RemoteError as error:
                if size <= BUILDS_PER_PAGE or not worth_splitting(error):
                    raise
                size //= 2
                continue
            every += found
            if len(found) + self.nameless - before != size:
                return every
            at += size

    async def part(self, key: str, first: int, last: int) -> list[Summary]:
        """The builds at these places."""
        try:
            return await self._whole(key, first, last)
        except RemoteError as error:
            if last - first > BUILDS_PER_PAGE or not worth_splitting(error):
                raise
        page = await summaries_at(self._client, self._full_name, key, first, last)
        self.nameless += page.nameless
        found = [_summary(build) for build in page.builds]
        found += [
            Summary(n, 0, None, 0, None, unreadable=why) for n, why in page.unreadable.items()
        ]
        return sorted(found, key=lambda one: one.number, reverse=True)

    async def _whole(self, key: str, first: int, last: int) -> list[Summary]:
        where, what = self._client.where, self._full_name
        answer = await self._client.history(what, f"{key}[{SUMMARY_TREE}]{{{first},{last}}}")
        page = decode_if(answer, where, what, _Summaries)
        if page is not None and (found := getattr(page, key)) is not None:
            return list(found)
        read = read_page(answer, where, what, key)
        self.nameless += read.count(None)
        return [_summary(one[0]) for one in read if one is not None]


def _summary(build: Build) -> Summary:
    return Summary(*(getattr(build, field) for field in Summary.__struct_fields__[:-1]))
