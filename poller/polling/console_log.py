"""Console logs of one controller's builds, read as its config wants, once a build."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Literal

from poller.core.errors import BadAnswer, CircuitOpen, NotFound, RemoteError, Unreachable
from poller.core.kept_log import HeadAndTail, KeptLog, pack
from poller.jenkins.client import JenkinsClient
from poller.jenkins.console import read_log, read_log_in_parts
from poller.jenkins.console_text import ConsoleCleaner
from poller.jenkins.models import Build
from poller.mapping.extract import Extracted, Extraction, Extractor, Pattern
from poller.mapping.params import secrets
from poller.mapping.redaction import RedactingStream, Redactor, known_values

LogPolicy = Literal["none", "failed", "all"]

NOT_FAILED = frozenset({"SUCCESS", "NOT_BUILT"})

TRIES = 2
"""Reads of a log that stalls or breaks off; then its build goes without it."""

TIMEOUTS = 4
"""A whole log may take so many times what another answer may, each part of it one such time."""

READ_LIMIT = 4 * 2**30
"""Bytes of one log that are read at most; what is kept of it is ``log_limit``."""


@dataclasses.dataclass(frozen=True)
class CollectedLog:
    """What is kept of a build's log, and what the rules found in it."""

    kept: KeptLog
    extracted: Extracted


@dataclasses.dataclass(frozen=True)
class LogCollector:
    """How logs are read. ``keep`` is ``log_limit`` in bytes, ``timeout`` in seconds."""

    policy: LogPolicy
    keep: int
    timeout: float
    redactor: Redactor
    extraction: Extraction

    def for_rules_only(self) -> LogCollector:
        """The same, to read logs for the rules alone and to keep none."""
        return dataclasses.replace(self, policy="none")

    async def read(self, api: JenkinsClient, full_name: str, build: Build) -> CollectedLog | None:
        """What is kept of a completed build's log, with what the rules found in it.

        None when the config asks for none. Raises CircuitOpen, but no other RemoteError: a log that
        can't be had is one that says why.
        """
        patterns = self.extraction.of_job(full_name)
        keep = self.keep if wanted(self.policy, build.result) else 0
        if not (keep or patterns):
            return None
        values = known_values(secrets(build, self.redactor))
        for attempt in range(1, TRIES + 1):
            capture = LogCapture(self.redactor, keep=keep, values=values, patterns=patterns)
            try:
                await self._read(api, full_name, build.number, capture)
            except CircuitOpen:
                raise
            except RemoteError as error:
                if attempt < TRIES and isinstance(error, Unreachable | BadAnswer):
                    continue
                return capture.end(absent=error.reason)
            break
        return capture.end()

    async def _read(
        self, api: JenkinsClient, full_name: str, number: int, capture: LogCapture
    ) -> None:
        seconds = TIMEOUTS * self.timeout
        try:
            part = await read_log(
                api, full_name, number, capture.feed, limit=READ_LIMIT, seconds=seconds
            )
        except NotFound:
            # Not every log storage and not every proxy has both ways to a log.
            part = await read_log_in_parts(
                api, full_name, number, capture.feed, limit=READ_LIMIT, seconds=seconds
            )
        if not part.whole:
            capture.feed(
                f"\n[... more than {READ_LIMIT:,} bytes: the rest is not read ...]".encode()
            )


def wanted(policy: LogPolicy, result: str | None) -> bool:
    """Whether the log of a build that ended so is kept."""
    return policy == "all" or (policy == "failed" and result not in NOT_FAILED)


class LogCapture:
    """Takes the chunks of one log. ``keep`` is the most that is kept, 0 to keep nothing;
    ``values`` are the build's own secrets."""

    def __init__(
        self,
        redactor: Redactor,
        *,
        keep: int,
        values: Collection[bytes] = (),
        patterns: Sequence[Pattern] = (),
    ) -> None:
        self._text = ConsoleCleaner(RedactingStream(redactor, values).feed)
        self._excerpt = HeadAndTail(keep) if keep else None
        self._extractor = Extractor(patterns)

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the log, as Jenkins sends them."""
        self._take(self._text.feed(chunk))

    def end(self, absent: str | None = None) -> CollectedLog:
        """All chunks are in, or ``absent`` says why no more could be had."""
        self._take(self._text.end())
        return CollectedLog(self._kept(absent), self._extractor.found())

    def _kept(self, absent: str | None) -> KeptLog:
        if self._excerpt is None or (absent is not None and not self._excerpt.size):
            return KeptLog(absent=absent)
        if absent is not None:
            self._excerpt.add(f"[... the rest could not be read: {absent} ...]\n".encode())
        text = self._excerpt.text()
        return KeptLog(pack(text), self._excerpt.size, self._excerpt.left_out, absent)

    def _take(self, lines: bytes) -> None:
        if lines:
            self._extractor.feed(lines)
            if self._excerpt is not None:
                self._excerpt.add(lines)
