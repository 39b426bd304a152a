"""One console log from its first chunk to what is kept of it, in bounded memory. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from poller.extract import Extracted, Extractor, Pattern
from poller.logs.excerpt import Excerpt
from poller.logs.text import ConsoleText
from poller.redact import Redactor, Stream

NOTHING = Extracted()


@dataclass(frozen=True)
class Log:
    """What is kept of a log: ``packed`` is its compressed text, None where none is kept.

    ``size`` is all of it in bytes, clean; ``left_out`` as many as are not kept. ``absent`` says why
    it, or the rest of it, could not be had.
    """

    packed: bytes | None = None
    size: int = 0
    left_out: int = 0
    absent: str | None = None
    extracted: Extracted = NOTHING


class Capture:
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
        self._text = ConsoleText(Stream(redactor, values))
        self._excerpt = Excerpt(keep) if keep else None
        self._extractor = Extractor(patterns)

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the log, as Jenkins sends them."""
        self._take(self._text.feed(chunk))

    def end(self, absent: str | None = None) -> Log:
        """All chunks are in, or ``absent`` says why no more could be had."""
        self._take(self._text.end())
        found = self._extractor.found()
        if self._excerpt is None or (absent is not None and not self._excerpt.size):
            return Log(absent=absent, extracted=found)
        if absent is not None:
            self._excerpt.add(f"[... the rest could not be read: {absent} ...]\n".encode())
        text = self._excerpt.text()
        return Log(pack(text), self._excerpt.size, self._excerpt.left_out, absent, found)

    def _take(self, lines: bytes) -> None:
        if lines:
            self._extractor.feed(lines)
            if self._excerpt is not None:
                self._excerpt.add(lines)


def pack(text: bytes) -> bytes:
    """Compressed, as the ledger keeps it."""
    return zlib.compress(text)


def unpack(packed: bytes) -> bytes:
    """The text again."""
    return zlib.decompress(packed)
