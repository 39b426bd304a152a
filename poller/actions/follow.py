"""`sei-poller logs JOB NUMBER --follow`: a build's console log as it grows, from Jenkins itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from poller.actions.find_build import find_build
from poller.actions.logs import last_lines
from poller.core.errors import Unreachable
from poller.jenkins.console import ConsoleLog, LogPart
from poller.jenkins.console_text import ConsoleCleaner
from poller.mapping.params import redactor_of
from poller.mapping.redaction import RedactingStream
from poller.polling.controller import Controller

FOLLOW_SECONDS = 1.0
"""Between two requests for a log that is being written."""

FOLLOW_TRIES = 5
"""Requests in a row that Jenkins does not answer before following ends."""

FOLLOW_TIMEOUT = 600.0
"""Seconds that one request may take: the first one may be for a large log."""


async def follow(
    controllers: Sequence[Controller],
    full_name: str,
    number: int,
    controller: str | None,
    write: Callable[[bytes], None],
    *,
    tail: int | None = None,
) -> None:
    """Write the log of a build as it grows, until the build is done. Clean and redacted, too.

    Raises NoSuchBuild; UsageError when several of the controllers have the build; RemoteError.
    """
    one, page = await find_build(controllers, full_name, number, controller)
    build = page.builds[0]
    log = ConsoleLog(one.client, full_name, number)
    text = ConsoleCleaner(RedactingStream(redactor_of(build, one.mapping.redactor)).feed)
    out = _Tail(write, tail)
    if build.completed:
        await log.read(lambda raw: out.add(text.feed(raw)), seconds=FOLLOW_TIMEOUT)
    else:
        await _grow(log, text, out)
    out.add(text.end())
    out.caught_up()


async def _grow(log: ConsoleLog, text: ConsoleCleaner, out: _Tail) -> None:
    start, failures = 0, 0
    while True:
        raw: list[bytes] = []
        try:
            part = await log.read(raw.append, start=start, seconds=FOLLOW_TIMEOUT)
        except Unreachable:
            failures += 1
            if failures == FOLLOW_TRIES:
                raise
            await asyncio.sleep(FOLLOW_SECONDS * failures)
            continue
        failures = 0
        for chunk in raw:
            out.add(text.feed(chunk))
        grown = _grown(part, start)
        start = start if part.size is None else part.size
        if not part.more:
            return
        if not grown:
            out.caught_up()
            await asyncio.sleep(FOLLOW_SECONDS)


def _grown(part: LogPart, start: int) -> bool:
    """Whether the log had something new: its size counts, as a body may be all hidden notes. A
    smaller one means that it began anew."""
    return part.size is not None and part.size != start


class _Tail:
    """Writes what is added; until it has caught up, only the last lines."""

    def __init__(self, write: Callable[[bytes], None], count: int | None) -> None:
        self._write = write
        self._count = count
        self._held = b""

    def add(self, lines: bytes) -> None:
        if self._count is None:
            if lines:
                self._write(lines)
        else:
            self._held = last_lines(self._held + lines, self._count)

    def caught_up(self) -> None:
        """From now on, write at once."""
        if self._held:
            self._write(self._held)
        self._held, self._count = b"", None
