"""Reads a console log as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from poller.core.errors import Unreachable
from poller.http.errors import raise_for_status
from poller.jenkins.answers import refuse_other_text
from poller.jenkins.client import DENIED, JenkinsClient
from poller.jenkins.paths import job_path

NO_LIMIT = 2**63
MOST_DIGITS = 18
"""Of a number in a header: what is longer is none."""


class LogPart(msgspec.Struct, frozen=True):
    """What came of reading a log: ``read`` bytes came, ``complete`` unless the limit cut it.

    ``size`` is where to go on, in bytes of the log as Jenkins has it, hidden notes included; None
    where Jenkins did not say. ``more``: the build still writes.
    """

    read: int
    complete: bool
    size: int | None
    more: bool


@dataclass(frozen=True)
class LogRequest:
    """A question for a log; ``what`` names it in an error. ``params`` are those of its URL."""

    what: str
    path: str
    params: dict[str, str] = field(default_factory=dict)


async def read_log(
    client: JenkinsClient,
    request: LogRequest,
    take: Callable[[bytes], None],
    *,
    limit: int,
    seconds: float,
) -> LogPart:
    """Hand a log to ``take`` as it comes, at most about ``limit`` bytes in at most ``seconds``.
    What was handed over stays right when an error is raised. Raises RemoteError."""
    # Nothing is decompressed, so that no chunk is larger than it seems.
    identity = {"Accept-Encoding": "identity"}
    streamed = client.stream(
        request.what, request.path, request.params, NO_LIMIT, seconds, identity
    )
    read, complete = 0, True
    async with streamed as (answer, chunks):
        raise_for_status(answer, client.where, request.what, denied_hint=DENIED)
        refuse_other_text(answer, client.where, request.what)
        async for chunk in chunks:
            take(chunk)
            read += len(chunk)
            if read >= limit:
                complete = False
                break
    size = answer.headers.get("X-Text-Size", "")
    more = answer.headers.get("X-More-Data", "") == "true"
    known = size.isdecimal() and len(size) <= MOST_DIGITS
    return LogPart(read, complete, int(size) if known else None, more)


@dataclass(frozen=True)
class ConsoleLog:
    """The console log of one build, at Jenkins."""

    client: JenkinsClient
    full_name: str
    number: int

    @property
    def _what(self) -> str:
        return f"console log of {self.full_name} #{self.number}"

    async def read(
        self,
        take: Callable[[bytes], None],
        *,
        start: int | None = None,
        limit: int = NO_LIMIT,
        seconds: float,
    ) -> LogPart:
        """Hand the log to ``take`` as it comes, at most about ``limit`` bytes in at most
        ``seconds``. What was handed over stays right when an error is raised.

        Without ``start`` by ``consoleText``, which Jenkins streams from its file (of pipelines,
        with a recent workflow-job); with one, from that byte on by ``logText/progressiveText``,
        which also says where to go on, but is put together in Jenkins' memory first
        (org.kohsuke.stapler.framework.io.LargeText). Raises RemoteError.
        """
        path = f"{job_path(self.full_name)}{self.number}/"
        path += "consoleText" if start is None else "logText/progressiveText"
        params = {} if start is None else {"start": str(start)}
        request = LogRequest(self._what, path, params)
        return await read_log(self.client, request, take, limit=limit, seconds=seconds)

    async def read_in_parts(
        self, take: Callable[[bytes], None], *, limit: int, seconds: float
    ) -> LogPart:
        """By ``progressiveText``: while run listeners work, Jenkins sends 10,000 lines at once. All
        parts together are no more, and take no longer, than the log at once may."""
        start = read = 0
        until = asyncio.get_running_loop().time() + seconds
        while True:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                raise Unreachable(self.client.where, self._what, f"not done in {seconds:g} s")
            part = await self.read(take, start=start, limit=limit - read, seconds=left)
            read += part.read
            goes_on = part.complete and part.more and part.read > 0
            if not (goes_on and part.size is not None and part.size > start):
                return part
            start = part.size
