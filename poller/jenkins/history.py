"""A job's builds as a stream of summaries, newest first: read as it comes, never held whole."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

import ijson
import msgspec
from msgspec import Struct

from poller.errors import BadAnswer
from poller.jenkins.api import BUILDS_PER_PAGE, Api
from poller.jenkins.discovery import Item
from poller.jenkins.model import Millis, Number, QueueId
from poller.watermark import Start

SUMMARY_TREE = "number,timestamp,queueId,duration,result,building,inProgress"
BUILD = 3
"""How deep a build's own values lie: object, list, build."""

MOST_BETWEEN = 1024 * 1024
"""Bytes of an answer that may come without a build: one has some two hundred."""

SUMMARIES_LIMIT = 512 * 1024 * 1024
"""Bytes of one answer: some three million builds."""


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
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, use_float=True)
    reader, since_last = _Reader(name), 0
    try:
        async with contextlib.aclosing(body):
            async for chunk in body:
                parser.send(chunk)
                found = list(reader.builds(events))
                del events[:]
                since_last = 0 if found else since_last + len(chunk)
                if since_last > MOST_BETWEEN:
                    raise BadAnswer(api.where, full_name, f"no build in {since_last} bytes of it")
                if found:
                    yield found
        parser.close()
    except ijson.JSONError:
        # ijson's own words show what stands there.
        raise BadAnswer(api.where, full_name, "malformed JSON") from None
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise BadAnswer(api.where, full_name, str(error)) from None
    if found := list(reader.builds(events)):
        yield found


class _Reader:
    """Takes the builds out of the events of a parser. What lies deeper than a build's own values is
    passed over, so that nesting costs nothing (measured: ijson's own items take 2 GB for 50,000
    levels)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._depth = 0
        self._key = ""
        self._listed = False
        self._build: dict[str, object] | None = None

    def builds(self, events: Iterable[tuple[str, object]]) -> Iterator[Summary]:
        """The builds that these events complete. Raises ValidationError."""
        for event, value in events:
            if event == "map_key":
                self._key = str(value) if self._depth in (1, BUILD) else self._key
            elif event in ("end_map", "end_array"):
                self._depth -= 1
                if self._depth == BUILD - 1 and self._build is not None:
                    yield msgspec.convert(self._build, Summary)
                    self._build = None
                self._listed = self._listed and self._depth >= BUILD - 1
            else:
                self._begin(event, value)

    def _begin(self, event: str, value: object) -> None:
        """A value, or the beginning of an object or array."""
        opens = event in ("start_map", "start_array")
        if self._depth == BUILD and self._build is not None:
            self._build[self._key] = {} if opens else value
        elif self._depth == BUILD - 1 and self._listed:
            if event != "start_map":
                raise msgspec.ValidationError("a build is no object")
            self._build = {}
        elif self._depth == 1 and event == "start_array":
            self._listed = self._key == self._name
        self._depth += opens
