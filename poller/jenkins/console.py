"""Console logs of one controller's builds, read as its config wants, once a build."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Literal

from poller.errors import BadAnswer, LeftAlone, NotFound, RemoteError, Unreachable
from poller.extract import Extraction
from poller.jenkins.api import Api, LogPart
from poller.jenkins.model import Build
from poller.logs.capture import Capture, Log
from poller.redact import Redactor, known_values
from poller.sei import params

LogPolicy = Literal["none", "failed", "all"]

NOT_FAILED = frozenset({"SUCCESS", "NOT_BUILT"})

TRIES = 2
"""Reads of a log that stalls or breaks off; then its build goes without it."""

TIMEOUTS = 4
"""A whole log may take so many times what another answer may, each part of it one such time."""

READ_LIMIT = 4 * 2**30
"""Bytes of one log that are read at most; what is kept of it is ``log_limit``."""


@dataclasses.dataclass(frozen=True)
class Console:
    """How logs are read. ``keep`` is ``log_limit`` in bytes, ``timeout`` in seconds."""

    policy: LogPolicy
    keep: int
    timeout: float
    redactor: Redactor
    extraction: Extraction

    def for_rules(self) -> Console:
        """The same, to read logs for the rules alone and to keep none."""
        return dataclasses.replace(self, policy="none")

    async def read(self, api: Api, full_name: str, build: Build) -> Log | None:
        """What is kept of a completed build's log, with what the rules found in it.

        None when the config asks for none. Raises LeftAlone, but no other RemoteError: a log that
        can't be had is a :class:`Log` that says why.
        """
        patterns = self.extraction.of_job(full_name)
        keep = self.keep if wanted(self.policy, build.result) else 0
        if not (keep or patterns):
            return None
        values = known_values(params.secrets(build, self.redactor))
        for attempt in range(1, TRIES + 1):
            capture = Capture(self.redactor, keep=keep, values=values, patterns=patterns)
            try:
                await self._read(api, full_name, build.number, capture)
            except LeftAlone:
                raise
            except RemoteError as error:
                if attempt < TRIES and isinstance(error, Unreachable | BadAnswer):
                    continue
                return capture.end(absent=error.reason)
            break
        return capture.end()

    async def _read(self, api: Api, full_name: str, number: int, capture: Capture) -> None:
        seconds = TIMEOUTS * self.timeout
        try:
            part = await api.log(full_name, number, capture.feed, limit=READ_LIMIT, seconds=seconds)
        except NotFound:
            # Not every log storage and not every proxy has both ways to a log.
            part = await _piece_by_piece(api, full_name, number, capture, seconds)
        if not part.whole:
            capture.feed(
                f"\n[... more than {READ_LIMIT:,} bytes: the rest is not read ...]".encode()
            )


async def _piece_by_piece(
    api: Api, full_name: str, number: int, capture: Capture, seconds: float
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


def wanted(policy: LogPolicy, result: str | None) -> bool:
    """Whether the log of a build that ended so is kept."""
    return policy == "all" or (policy == "failed" and result not in NOT_FAILED)
