"""Raw bytes of a console log → clean, redacted UTF-8 of whole lines, part by part. Pure.

The order matters: what Jenkins and terminals hide in the text goes first, so that no escape
sequence in the middle of a secret keeps it from being found; then secrets; then long lines are cut,
far enough behind the cut for a secret across it to have been found.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import re2

from poller.core.escape import CONTROL_SEQUENCE

LINE_LIMIT = 16 * 1024
"""Bytes of a line that are kept; one of 100 MB costs no more memory than the next limit."""

RAW_LINE_LIMIT = 128 * 1024
"""Bytes of a line that are read."""

LOOK_AHEAD = 8 * 1024
"""Bytes behind the end of what is kept of a line, for a secret that begins before it."""

LINE_CUT = b" [line cut here]"

_AS_BYTES = re2.Options()
_AS_BYTES.encoding = re2.Options.Encoding.LATIN1
_AS_BYTES.never_capture = True
_NOTE = re2.compile(rb"\x1b\[8m[^\n]*?\x1b\[0m|ha:////[A-Za-z0-9+/=]*\x1b\[0m", _AS_BYTES)
"""A hidden annotation of Jenkins (hudson.console.ConsoleNote), or the rest of one whose beginning
lies before the place where reading began. By RE2: of a line of nothing but beginnings, Python's own
engine takes 20 s for 128 KiB (measured)."""

_ESCAPE = re.compile(CONTROL_SEQUENCE.encode())

_CONTROL = bytes(set(range(32)) - {0x09, 0x0A}) + b"\x7f"
_UNSEEN = re.compile("[\x80-\x9f\u00ad\u180e\u200b-\u200d\u2060-\u2064\ufeff]")
"""Controls, and what has no width. What turns the direction of a text stays in a log."""


class ConsoleCleaner:
    """Takes a log as it comes and gives it back fit to keep. ``redact`` hides the secrets."""

    def __init__(self, redact: Callable[[bytes], bytes]) -> None:
        self._redact = redact
        self._rest = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> bytes:
        """The lines that ``chunk`` completes; the last line waits for its end."""
        raw = self._rest + chunk
        # A CR at the very end may be the first half of a CRLF.
        held = b"\r" if raw.endswith(b"\r") else b""
        raw = raw[: len(raw) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._skipping:
            end = raw.find(b"\n")
            if end < 0:
                self._rest = held
                return b""
            raw, self._skipping = raw[end + 1 :], False
        lines, newline, rest = raw.rpartition(b"\n")
        out = self._lines(lines + newline)
        if len(rest) > RAW_LINE_LIMIT:
            out += self._cut(self._redact(clean_console(rest[:RAW_LINE_LIMIT])), unended=True)
            rest, self._skipping = b"", True
        self._rest = rest + held
        return out

    def end(self) -> bytes:
        """The last line, where no newline ends the log."""
        rest, self._rest = clean_console(self._rest), b""
        if self._skipping or not rest:
            return b""
        return self._lines(rest + b"\n")

    def _lines(self, raw: bytes) -> bytes:
        if not raw:
            return b""
        text = self._redact(clean_console(raw))
        if len(text) <= LINE_LIMIT:
            return text
        lines = text.split(b"\n")
        if max(map(len, lines)) <= LINE_LIMIT:
            return text
        return b"\n".join(self._cut(line)[:-1] for line in lines)

    @staticmethod
    def _cut(line: bytes, *, unended: bool = False) -> bytes:
        """The line no longer than it may be, with its newline. Of one whose end was not read
        as much is left out as a secret may need to be known by."""
        keep = min(LINE_LIMIT, max(0, len(line) - LOOK_AHEAD) if unended else len(line))
        if keep == len(line):
            return line + b"\n"
        return line[:keep].decode("utf-8", "ignore").encode() + LINE_CUT + b"\n"


def clean_console(raw: bytes) -> bytes:
    """UTF-8 without annotations, escape sequences, characters of no width, and control characters
    but tab and newline.

    What is no UTF-8 becomes U+FFFD.
    """
    if b"\x1b" in raw:
        raw = _ESCAPE.sub(b"", _NOTE.sub(b"", raw))
    raw = raw.translate(None, _CONTROL)
    if raw.isascii():
        return raw
    return _UNSEEN.sub("", raw.decode("utf-8", "replace")).encode()


_TAG = re2.compile(r"</?[A-Za-z][^<>]*>")
_KEY_BEGIN, _KEY_END = b"-----BEGIN ", re.compile(rb"-----END [^\n]*\n?")


def html_text(page: str) -> str:
    """The text of a log that was made HTML, with links and colours. A ``<`` of the log itself is
    ``&lt;`` there; what is no tag stays as it is."""
    return html.unescape(_TAG.sub("", page))


def without_cut_start(tail: bytes) -> bytes:
    """The end of a log that was cut anywhere, from its first whole line on. A private key that
    begins before the cut is left out: nobody would know it for one."""
    tail = tail[tail.find(b"\n") + 1 :] if b"\n" in tail else b""
    end = _KEY_END.search(tail)
    if end is not None and _KEY_BEGIN not in tail[: end.start()]:
        tail = tail[end.end() :]
    return tail
