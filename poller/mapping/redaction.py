"""What looks like a secret does not leave: by the name of a parameter, and by its form in a text.

All patterns are matched by RE2 as one alternation: measured, it is a hundred times faster than
Python's own engine on console logs, and linear whatever the text (bench/RESULTS.md).
"""

from __future__ import annotations

import copy
import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import re2

from poller.core.known_secrets import HIDDEN
from poller.core.patterns import compile_regex
from poller.mapping.secret_patterns import (
    COMMAND_WORDS,
    COMMANDS,
    IN_CONTEXT,
    KEY_BEGIN,
    KEY_END,
    KEY_LINE,
    PLAIN_LINES,
    TOKENS,
)

NAMES = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "apikey",
    "accesskey", "privatekey",
)  # fmt: skip
"""Parts of names that hide a value, whatever stands between their words."""

SHORTEST_VALUE = 4
"""Characters of a value that is hidden in texts; a shorter one is a part of too many words."""

PLAIN_VALUES = frozenset({"true", "false", "none", "null", "changeme", "default"})

_HIDDEN = HIDDEN.encode()
_DASHES = b"-----BEGIN"
_KEY_BEGIN, _KEY_LINE, _KEY_END = map(re.compile, (KEY_BEGIN, KEY_LINE, KEY_END))


class Redactor:
    """The built-in names and patterns, and those of ``[redact]``.

    ``names`` are globs over a parameter's name, ``patterns`` regular expressions of RE2; case does
    not matter for names. Raises ValueError for a pattern that can't be used.
    """

    def __init__(self, names: Sequence[str] = (), patterns: Sequence[str] = ()) -> None:
        self._names = [name.lower() for name in names]
        options = re2.Options()
        options.max_mem = 64 * 2**20
        tokens = "|".join(TOKENS)
        self._built_in = re2.compile(f"({tokens})|" + "|".join(IN_CONTEXT), options)
        self._commands = re2.compile("|".join(COMMANDS), options)
        self._patterns = [compile_regex(pattern) for pattern in patterns]
        words = "|".join([*(word.decode() for word in COMMAND_WORDS), _DASHES.decode()])
        every = [tokens, *IN_CONTEXT, words, *(f"(?:{pattern})" for pattern in patterns)]
        options.never_capture = True
        self._any = re2.compile("|".join(every), options)
        self._values: tuple[bytes, ...] = ()
        self._anchored = any(re.search(r"[\^$]|\\[AzZ]", pattern) for pattern in patterns)

    def with_values(self, values: frozenset[bytes]) -> Redactor:
        """One that hides these in every text, too: see :func:`known_values`."""
        if not values:
            return self
        more = copy.copy(self)
        more._values = tuple(sorted({*self._values, *values}, key=len, reverse=True))
        return more

    def is_secret_name(self, name: str) -> bool:
        """Whether the value of a parameter of that name is never sent."""
        lower = name.lower()
        plain = lower.replace("_", "").replace("-", "").replace(" ", "").replace(".", "")
        return any(part in plain for part in NAMES) or any(
            fnmatch.fnmatchcase(lower, glob) for glob in self._names
        )

    def text(self, text: str) -> str:
        """``text`` with everything that looks like a secret replaced by ``****``."""
        raw = text.encode("utf-8", "replace")
        if not self._values and self._any.search(raw) is None:
            return text
        clean = RedactingStream(self).feed(raw)
        return text if clean == raw else clean.decode()

    def lines(self, raw: bytes) -> bytes:
        """The same for UTF-8 of whole lines; private keys, which span lines, are for
        :class:`RedactingStream` to find."""
        for value in self._values:
            if value in raw:
                raw = raw.replace(value, _HIDDEN)
        raw = _without(raw, self._built_in)
        if any(word in raw for word in COMMAND_WORDS):
            raw = _without(raw, self._commands)
        for pattern in self._patterns:
            raw = _without(raw, pattern, all_of_match=True)
        return raw

    def may_contain_secret(self, texts: Iterable[str]) -> bool:
        """Whether something in one of the texts may look like a secret: one search of all of them
        is cheaper than one of each, and mostly there is nothing."""
        joined = "\n".join(texts).encode("utf-8", "replace")
        if any(value in joined for value in self._values):
            return True
        # What is found in one text is found in the joined one, too, but for its ends.
        return self._anchored or self._any.search(joined) is not None


class RedactingStream:
    """Redacts one text that comes in parts, each of whole lines; private keys span parts."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._in_key = False
        self._plain = 0

    def feed(self, raw: bytes) -> bytes:
        """``raw`` without secrets; UTF-8 on both sides."""
        if self._in_key or _DASHES in raw:
            raw = self._without_keys(raw)
        return self._redactor.lines(raw)

    def _without_keys(self, raw: bytes) -> bytes:
        lines = raw.split(b"\n")
        last = lines.pop() if raw.endswith(b"\n") else None
        kept: list[bytes] = []
        for line in lines:
            begun_before = self._in_key
            text = self._without_key(line)
            if not begun_before:
                kept.append(text)
            elif kept:
                kept[-1] += text
            elif text:
                kept.append(text)
        return b"\n".join(kept if last is None or not kept else [*kept, last])

    def _without_key(self, line: bytes) -> bytes:
        """What of a line is outside of private keys, with ``****`` where each begins."""
        out, at = b"", 0
        while True:
            if not self._in_key:
                begin = _KEY_BEGIN.search(line, at)
                if begin is None:
                    return out + line[at:]
                out += line[at : begin.start()] + _HIDDEN
                at, self._in_key, self._plain = begin.end(), True, 0
            end = _KEY_END.search(line, at)
            if end is None:
                self._plain = 0 if _KEY_LINE.search(line, at) else self._plain + 1
                self._in_key = self._plain <= PLAIN_LINES
                return out
            at, self._in_key = end.end(), False


def known_values(values: Iterable[str]) -> frozenset[bytes]:
    """Secret values as they may stand in a text: each line of them, and as in a URL.

    What is too short or too plain would hide half of the text, and is left.
    """
    lines = {line.strip() for value in values for line in value.splitlines()}
    plain = {
        line for line in lines if len(line) >= SHORTEST_VALUE and line.lower() not in PLAIN_VALUES
    }
    both = plain | {quote(line, safe="") for line in plain}
    return frozenset(line.encode("utf-8", "replace") for line in both)


def _without(raw: bytes, regex: Any, *, all_of_match: bool = False) -> bytes:
    out, at = [], 0
    for match in regex.finditer(raw):
        # One group took part in a match of a built-in rule, the last: it is the secret.
        start, end = match.span() if all_of_match else match.span(match.lastindex)
        if start < end and start >= at:
            out += [raw[at:start], _HIDDEN]
            at = end
    return b"".join(out) + raw[at:] if out else raw
