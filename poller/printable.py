"""Text of others made harmless for who looks at it: a terminal, a log, a page. Pure."""

from __future__ import annotations

import re

_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""What moves a cursor, colours, rings, ends lines where none is seen to end, or turns the direction
of what comes after it; and halves of characters, which no UTF-8 has."""


def visible(text: str) -> str:
    r"""``text`` with each such character as ``\uXXXX``; newlines and tabs stay.

    In a string of a JSON document that is the same value.
    """
    return _ACTIVE.sub(_written, text)


def one_line(text: str) -> str:
    r"""The same, with newlines as ``\u000a``."""
    return visible(text).replace("\n", r"\u000a")


def _written(found: re.Match[str]) -> str:
    return rf"\u{ord(found[0]):04x}"
