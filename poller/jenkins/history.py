"""A job's builds as a stream of summaries, newest first: read as it comes, never held whole."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import ijson
import msgspec
from msgspec import Struct

from poller.errors import BadAnswer
from poller.jenkins.api import BUILDS_PER_PAGE, Api
from poller.jenkins.discovery import Item
from poller.watermark import Start

SUMMARY_TREE = "number,timestamp,queueId,duration,result,building,inProgress"
SUMMARIES_LIMIT = 512 * 1024 * 1024
"""Bytes of one answer: some three million builds."""


class Summary(Struct, frozen=True, gc=False):
    """What of a build says whether the ledger is right about it. Times are epoch ms."""

    number: int
    timestamp: int = 0
    queueId: int | None = None
    duration: int = 0
    result: str | None = None
    building: bool | None = None
    inProgress: bool | None = None

    @property
    def start(self) -> Start:
        """What tells the build from every other one."""
        return Start(self.number, max(0, self.timestamp), max(0, self.queueId or 0))

    @property
    def completed(self) -> bool:
        """Nothing of the build will change (see :class:`poller.jenkins.model.Build`)."""
        return (self.building if self.inProgress is None else self.inProgress) is False


async def summaries(api: Api, item: Item, since: int) -> AsyncIterator[list[Summary]]:
    """The builds of a job that started at or after ``since`` (epoch ms), newest first, in parts.

    The newest hundred cost Jenkins no more than that; only where they don't reach back, the whole
    history is asked for, and Jenkins loads it. Raises RemoteError.
    """
    reached = item.next_build_number
    newest = _parts(api, item.full_name, "builds", f"{{0,{BUILDS_PER_PAGE}}}")
    async with contextlib.aclosing(newest):
        async for part in newest:
            reached = part[-1].number
            yield [one for one in part if one.timestamp >= since or one.timestamp <= 0]
            if 0 < part[-1].timestamp < since:
                return
    if item.next_build_number <= BUILDS_PER_PAGE + 1:
        return
    every = _parts(api, item.full_name, "allBuilds", "")
    async with contextlib.aclosing(every):
        async for part in every:
            older = [one for one in part if one.number < reached]
            yield [one for one in older if one.timestamp >= since or one.timestamp <= 0]


async def _parts(
    api: Api, full_name: str, name: str, part: str
) -> AsyncGenerator[list[Summary], None]:
    body = api.streamed(full_name, f"{name}[{SUMMARY_TREE}]{part}", SUMMARIES_LIMIT)
    found = ijson.sendable_list()
    parser = ijson.items_coro(found, f"{name}.item", use_float=True)
    try:
        async with contextlib.aclosing(body):
            async for chunk in body:
                parser.send(chunk)
                if found:
                    yield list(_typed(found))
                    del found[:]
        parser.close()
    except (ijson.JSONError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise BadAnswer(api.where, full_name, str(error)) from None
    if found:
        yield list(_typed(found))


def _typed(items: list[object]) -> Iterator[Summary]:
    return (msgspec.convert(item, Summary) for item in items)
