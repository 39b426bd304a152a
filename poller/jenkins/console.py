"""Reads a console log as it comes."""

from __future__ import annotations

import asyncio

import msgspec

from poller.core.errors import Unreachable
from poller.jenkins.client import JenkinsClient
from poller.polling.console_log import READ_LIMIT, LogCapture


class LogPart(msgspec.Struct, frozen=True):
    """What became of a look into a log: ``read`` bytes came, ``whole`` unless the limit cut it.

    ``size`` is where to go on, in bytes of the log as Jenkins has it, hidden notes included; None
    where Jenkins did not say. ``more``: the build still writes.
    """

    read: int
    whole: bool
    size: int | None
    more: bool


async def read_in_parts(
    api: JenkinsClient, full_name: str, number: int, capture: LogCapture, seconds: float
) -> LogPart:
    """By ``progressiveText``: while run listeners work, Jenkins sends 10,000 lines at once. All
    pieces together are no more, and take no longer, than the log at once may."""
    start = read = 0
    until = asyncio.get_running_loop().time() + seconds
    while True:
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            what = f"console log of {full_name} #{number}"
            raise Unreachable(api.where, what, f"not done in {seconds:g} s")
        part = await api.log(
            full_name, number, capture.feed, start=start, limit=READ_LIMIT - read, seconds=left
        )
        read += part.read
        goes_on = part.whole and part.more and part.read > 0
        if not (goes_on and part.size is not None and part.size > start):
            return part
        start = part.size
