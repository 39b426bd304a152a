"""What looks like a secret does not leave: by the name of a parameter, and by its form in a text.

A text is made clean first: no escape sequence or unseen character keeps a secret from being found.

All patterns are matched by RE2 as one alternation: measured, it is a hundred times faster than
Python's own engine on console logs, and linear whatever the text (bench/RESULTS.md).
"""

from __future__ import annotations

import base64
import copy
import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Any

import re2

from poller.core.escape import clean
from poller.core.known_secrets import HIDDEN
from poller.core.patterns import compile_regex
from poller.mapping.secret_patterns import (
    AND_VALUE,
    BASIC,
    COMMANDS,
    IN_CONTEXT,
    KEY_BEGIN,
    KEY_END,
    KEY_LINE,
    NAME_WORDS,
    ORACLE,
    PLAIN_LINES,
    TOKENS,
    VALUES,
    is_plain_word,
    is_secret_name,
)

SHORTEST_PIN = 4
"""Digits."""

LONGEST_COMPARED = 256
"""Bytes of a value, or of a line, that are looked at to tell what it is."""

PLAIN_VALUES = frozenset({
    "true", "false", "none", "null", "nil", "undefined", "yes", "no", "required", "optional",
    "enabled", "disabled", "ok", "string", "changeme", "default", "expired", "invalid", "missing",
})  # fmt: skip
"""What stands for a value, or says something of it."""

_VARIABLE = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\}?")
NAME_FORM = re.compile(r"(?:[A-Za-z]+|v?\d+)(?:[-_./:](?:[A-Za-z]+|v?\d+))*")
"""Words, versions and numbers with what joins them: ``payments-v2``. Names look like that."""

_NAME_FORM_BYTES = re.compile(NAME_FORM.pattern.encode())
_HIDDEN = HIDDEN.encode()
_BEFORE_VALUE = re.compile(rb"\\?[\"']?,?\s{0,40}\\?[\"']?value\b", re.IGNORECASE)
"""What follows a key that is a name: ``{"Key": "Owner", "Value": "shop"}``."""

_GOES_ON = re.compile(rb"(?:\b(?:name|key)\b.*|[|>][+-]?|\\)\n\Z", re.IGNORECASE)
"""The end of a line whose next one may have the value."""

_DASHES = b"-----BEGIN"
_VALUES: list[Any] = [re.compile(value) for value in VALUES]
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
        pieces = [max(re.findall(r"[a-z0-9]+", name), key=len, default="") for name in self._names]
        words_of_names = "|".join([*NAME_WORDS, *(one for one in pieces if len(one) > 2)])
        named = f"((?i:{words_of_names}){AND_VALUE}"
        every = [f"({tokens})", *IN_CONTEXT, BASIC, ORACLE, named]
        self._built_in = re2.compile("|".join(every), options)
        self._name = self._built_in.groups - 3
        self._commands = re2.compile("|".join(COMMANDS), options)
        self._patterns = [compile_regex(pattern) for pattern in patterns]
        every += [*COMMANDS, _DASHES.decode(), *(f"(?:{pattern})" for pattern in patterns)]
        options.never_capture = True
        self._any = re2.compile("|".join(every), options)
        self._values: Any = None
        self.without_values = self
        """The same, but for values: for what would lose its meaning without them."""
        self._anchored = any(re.search(r"[\^$]|\\[AzZ]", pattern) for pattern in patterns)

    def with_values(self, values: frozenset[bytes]) -> Redactor:
        """One that hides these in every text, too: see :func:`known_values`."""
        if not values:
            return self
        more = copy.copy(self)
        longest_first = sorted(values, key=len, reverse=True)
        more._values = re.compile(b"|".join(map(_as_word, longest_first)))
        return more

    def is_secret_name(self, name: str) -> bool:
        """Whether the value of a parameter of that name is never sent."""
        return is_secret_name(name) or any(
            fnmatch.fnmatchcase(name.lower(), glob) for glob in self._names
        )

    def text(self, text: str) -> str:
        """The clean ``text`` with everything that looks like a secret replaced by ``****``."""
        text = clean(text)
        raw = text.encode("utf-8", "replace")
        if self._values is None and self._any.search(raw) is None:
            return text
        masked = RedactingStream(self).feed(raw)
        return text if masked == raw else masked.decode()

    def lines(self, raw: bytes) -> bytes:
        """The same for UTF-8 of whole lines; private keys, which span lines, are for
        :class:`RedactingStream` to find."""
        if self._values is not None:
            raw = self._values.sub(_HIDDEN, raw)
        raw = self._without_built_in(raw)
        raw = _without(raw, self._commands)
        for pattern in self._patterns:
            raw = _without(raw, pattern, all_of_match=True)
        return raw

    def may_contain_secret(self, texts: Iterable[str]) -> bool:
        """Whether something in one of the texts may look like a secret: one search of all of them
        is cheaper than one of each, and mostly there is nothing."""
        together = "\n".join(texts)
        if not together.replace("\n", "").isprintable():
            together = clean(together)
        joined = together.encode("utf-8", "replace")
        if self._values is not None and self._values.search(joined):
            return True
        # What is found in one text is found in the joined one, too, but for its ends.
        return self._anchored or self._any.search(joined) is not None

    def _without_built_in(self, raw: bytes) -> bytes:
        out, kept, at = [], 0, 0
        while (match := self._built_in.search(raw, at)) is not None:
            # One group took part in a match, or the last one of several: it is the secret.
            group = match.lastindex
            start, end = match.span(group)
            if group > self._name:
                at = match.end(self._name)
                value = _VALUES[group - self._name - 1]
                end = value.match(raw, start, start + LONGEST_COMPARED).end()
                if not self._is_secret(raw, match, match.start(self._name), start, end):
                    continue
                end = value.match(raw, start).end()
            elif (group == self._name - 2 and not _is_basic(match[group])) or (
                group == self._name - 1 and _NAME_FORM_BYTES.fullmatch(match[group])
            ):
                at = end
                continue
            if start < end:
                out += [raw[kept:start], _HIDDEN]
                kept = end
            at = max(end, match.end())
        return b"".join(out) + raw[kept:] if out else raw

    def _is_secret(self, raw: bytes, match: Any, begin: int, start: int, end: int) -> bool:
        """Whether ``raw[start:end]``, whose name has the word that begins there, is a secret."""
        first = begin
        while first > 0 and raw[first - 1] in _NAME_BYTES:
            first -= 1
        name = raw[first : match.end(self._name)].decode()
        if not self.is_secret_name(name):
            return False
        value = raw[start:end].decode("utf-8", "replace").rstrip("\\")
        if value.lower() in PLAIN_VALUES or _VARIABLE.fullmatch(value):
            return False
        last = name.lower()
        if last.endswith("pwd") and value[0] in "/\\":
            return False  # where a shell is
        if not is_plain_word(name):
            return not (last.endswith(("pass", "key")) and value.isdecimal() and len(value) < 6)
        if last.endswith(("pin", "otp")) and value.isdecimal():
            return len(value) >= SHORTEST_PIN
        if _BEFORE_VALUE.match(raw, end):
            return False
        quoted = raw[start - 1 : start] in (b'"', b"'")
        return quoted or (name.isupper() and raw[match.end(self._name) : start].startswith(b"="))


class RedactingStream:
    """Redacts one text that comes in parts, each of whole lines; private keys span parts, and the
    value of a name may be in the next one."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._in_key = False
        self._plain = 0
        self._before = b""

    def feed(self, raw: bytes) -> bytes:
        """``raw`` without secrets; UTF-8 on both sides."""
        if self._in_key or _DASHES in raw:
            raw = self._without_keys(raw)
        if not raw:
            return raw
        before, last = self._before, raw.rfind(b"\n", 0, -1) + 1
        self._before = raw[max(last, len(raw) - LONGEST_COMPARED) :]
        if not _GOES_ON.search(self._before):
            self._before = b""
        masked = self._redactor.lines(before + raw)
        return masked[masked.find(b"\n") + 1 :] if before else masked

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


_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def _as_word(value: bytes) -> bytes:
    """A pattern of the value that is no part of a longer word."""
    before = rb"(?<!\w)" if value[:1].isalnum() else b""
    after = rb"(?!\w)" if value[-1:].isalnum() else b""
    return before + re.escape(value) + after


def _is_basic(value: bytes) -> bool:
    """Whether it is user and password in base64."""
    try:
        return b":" in base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except ValueError:
        return False


def _without(raw: bytes, regex: Any, *, all_of_match: bool = False) -> bytes:
    out, at = [], 0
    for match in regex.finditer(raw):
        start, end = match.span() if all_of_match else match.span(match.lastindex)
        if start < end and start >= at:
            out += [raw[at:start], _HIDDEN]
            at = end
    return b"".join(out) + raw[at:] if out else raw
