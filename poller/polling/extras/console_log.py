"""Console logs of one controller's builds, read as its config wants, once a build."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from poller.core.errors import BadAnswer, NotFound, RemoteError, Unreachable, is_away
from poller.core.kept_log import HeadAndTail, KeptLog, pack
from poller.jenkins.build import Build
from poller.jenkins.client import JenkinsClient
from poller.jenkins.console import ConsoleLog
from poller.jenkins.console_text import ConsoleCleaner
from poller.mapping.extract import Extracted, Extraction, Extractor, Pattern
from poller.mapping.redaction import RedactingStream, Redactor

LogPolicy = Literal["none", "failed", "all"]

NOT_FAILED = frozenset({"SUCCESS", "NOT_BUILT"})

TRIES = 2
"""Reads of a log that stalls or breaks off; then its build goes without it."""

TIMEOUTS = 4
"""A log may take so many times what another answer may, each part of it one such time."""

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
    extraction: Extraction

    def for_rules_only(self) -> LogCollector:
        """The same, to read logs for the rules alone and to keep none."""
        return dataclasses.replace(self, policy="none")

    async def read(
        self, client: JenkinsClient, full_name: str, build: Build, redactor: Redactor
    ) -> CollectedLog | None:
        """What is kept of a completed build's log, with what the rules found in it. ``redactor``
        hides the build's own secrets, too.

        None when the config asks for none. Raises RemoteError where the controller is away, and for
        nothing else: a log that can't be had is one that says why.
        """
        patterns = self.extraction.of_job(full_name)
        keep = self.keep if is_kept(self.policy, build.result) else 0
        if not (keep or patterns):
            return None
        for attempt in range(1, TRIES + 1):
            capture = LogCapture(redactor, keep=keep, patterns=patterns)
            try:
                await self._read(ConsoleLog(client, full_name, build.number), capture)
            except RemoteError as error:
                if is_away(error):
                    raise
                if attempt < TRIES and isinstance(error, Unreachable | BadAnswer):
                    continue
                return capture.end(read_error=error.reason)
            break
        return capture.end()

    async def _read(self, log: ConsoleLog, capture: LogCapture) -> None:
        seconds = TIMEOUTS * self.timeout
        try:
            part = await log.read(capture.feed, limit=READ_LIMIT, seconds=seconds)
        except NotFound:
            # Not every log storage and not every proxy has both ways to a log.
            part = await log.read_in_parts(capture.feed, limit=READ_LIMIT, seconds=seconds)
        if not part.complete:
            capture.feed(
                f"\n[... more than {READ_LIMIT:,} bytes: the rest is not read ...]".encode()
            )


def is_kept(policy: LogPolicy, result: str | None) -> bool:
    """Whether the log of a build that ended so is kept."""
    return policy == "all" or (policy == "failed" and result not in NOT_FAILED)


class LogCapture:
    """Takes the chunks of one log. ``keep`` is the most bytes that are kept, 0 to keep nothing."""

    def __init__(self, redactor: Redactor, *, keep: int, patterns: Sequence[Pattern]) -> None:
        self._cleaner = ConsoleCleaner(RedactingStream(redactor).feed)
        self._head_and_tail = HeadAndTail(keep) if keep else None
        self._extractor = Extractor(patterns)

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the log, as Jenkins sends them."""
        self._take(self._cleaner.feed(chunk))

    def end(self, read_error: str | None = None) -> CollectedLog:
        """All chunks are in, or ``read_error`` says why no more could be had."""
        self._take(self._cleaner.end())
        return CollectedLog(self._kept(read_error), self._extractor.found())

    def _kept(self, read_error: str | None) -> KeptLog:
        kept = self._head_and_tail
        if kept is None or (read_error is not None and not kept.size):
            return KeptLog(read_error=read_error)
        if read_error is not None:
            kept.add(f"[... the rest could not be read: {read_error} ...]\n".encode())
        text = kept.text()
        return KeptLog(pack(text), kept.size, kept.left_out, read_error)

    def _take(self, lines: bytes) -> None:
        if lines:
            self._extractor.feed(lines)
            if self._head_and_tail is not None:
                self._head_and_tail.add(lines)
