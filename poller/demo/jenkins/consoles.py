"""Console logs of simulated builds, as Jenkins 2.448 sends them (``tests/recordings``).

The log on disk has hidden notes in it; ``X-Text-Size`` and ``start`` count them, and no answer
shows them, but for the rest of one that ``start`` cuts in two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

NOTE = b"\x1b[8mha:////4GyT" + b"A" * 200 + b"=\x1b[0m"
_NOTES = re.compile(rb"\x1b\[8m[^\n]*?\x1b\[0m")
_NOTED = re.compile(rb"(?m)^(?:Started by user |(?=\[Pipeline\]))")

MAX_LINES = 10_000
"""Lines that ``progressiveText`` sends at once of a build that runs."""

PART = 1000
"""Lines of a long log that are sent at once."""


@dataclass(frozen=True)
class LongLog:
    """A log too large to hold: ``lines`` of ``width`` bytes with their newline, then ``end``."""

    lines: int
    width: int
    line: Callable[[int], str]
    end: str = ""

    def __add__(self, more: str) -> LongLog:
        return LongLog(self.lines, self.width, self.line, self.end + more)

    @property
    def size(self) -> int:
        """All of it in bytes."""
        return self.lines * self.width + len(self.end.encode())

    def parts(self, start: int = 0) -> Iterator[bytes]:
        """Its bytes from ``start`` on."""
        first, skip = divmod(min(start, self.lines * self.width), self.width)
        for number in range(first, self.lines, PART):
            lines = map(self._padded, range(number, min(number + PART, self.lines)))
            yield b"".join(lines)[skip:]
            skip = 0
        yield self.end.encode()[max(0, start - self.lines * self.width) :]

    def _padded(self, number: int) -> bytes:
        return self.line(number).encode().ljust(self.width - 1)[: self.width - 1] + b"\n"


Console: TypeAlias = str | LongLog


def raw(log: str) -> bytes:
    """The log as it lies on Jenkins' disk."""
    return _NOTED.sub(lambda match: match[0] + NOTE, log.encode("utf-8", "surrogateescape"))


def whole(log: Console) -> Iterator[bytes]:
    """``consoleText``."""
    if isinstance(log, LongLog):
        yield from log.parts()
    else:
        yield log.encode("utf-8", "surrogateescape")


def progressive(
    log: Console, start: int, *, completed: bool
) -> tuple[bytes | Iterator[bytes], int]:
    """``progressiveText``: the body, and ``X-Text-Size``."""
    if isinstance(log, LongLog):
        begin = start if start <= log.size else 0
        return (part.replace(b"\n", b"\r\n") for part in log.parts(begin)), log.size
    on_disk = raw(log)
    begin = start if start <= len(on_disk) else 0
    end = len(on_disk)
    if not completed:
        lines = on_disk[begin:].split(b"\n")[:-1][:MAX_LINES]
        end = begin + sum(len(line) + 1 for line in lines)
    return _NOTES.sub(b"", on_disk[begin:end]).replace(b"\n", b"\r\n"), end
