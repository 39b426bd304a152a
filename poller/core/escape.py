"""Text of others made harmless for who looks at it: a terminal, a log, a page. Pure."""

from __future__ import annotations

import re

_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""What moves a cursor, colours, rings, ends lines where none is seen to end, or turns the direction
of what comes after it; and halves of characters, which no UTF-8 has."""


def escape(text: str) -> str:
    r"""``text`` with each such character as ``\uXXXX``; newlines and tabs stay.

    In a string of a JSON document that is the same value.
    """
    return _ACTIVE.sub(_written, text)


def escape_line(text: str) -> str:
    r"""The same, with newlines as ``\u000a``."""
    return escape(text).replace("\n", r"\u000a")


def _written(found: re.Match[str]) -> str:
    return rf"\u{ord(found[0]):04x}"


NAME = 250
"""Characters of a name. SEI cuts at 50 (reported): nothing shorter is cut here."""

FULL_NAME = 1_000
"""Characters of a full name, with its folders: a URL of more is refused by Jenkins (measured)."""

TEXT = 2_000
"""Characters of a description, a value or an address."""

ELLIPSIS = "…"

ZERO_WIDTH = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
"""Characters that nobody sees, as the inside of a class of a regular expression."""

CONTROL_SEQUENCE = (
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[()#%][0-9A-Z]|[0-~])"
)
"""A pattern of what controls a terminal: ECMA-48, and what xterm adds."""

_SEQUENCE = re.compile(rf"\x1b\[8mha:[^\x1b\n]*\x1b\[0m|\x9b[0-?]*[ -/]*[@-~]|{CONTROL_SEQUENCE}")
"""Jenkins' hidden notes, and control sequences, also as ECMA-48 has them in 8 bits."""

_UNSEEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{ZERO_WIDTH}]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` without escape sequences, control characters but tab and newline, and characters of
    no width: what is looked for secrets is then what is seen."""
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", _SEQUENCE.sub("", text)))


def clip(text: str, limit: int) -> str:
    """The clean ``text``, cut at ``limit`` characters."""
    if not text.isprintable():
        text = clean(text)
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS
