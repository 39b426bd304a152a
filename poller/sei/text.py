"""Text from Jenkins, made fit to send: Unicode, no control characters, no longer than agreed."""

from __future__ import annotations

import re

NAME = 250
"""Characters of a name. SEI cuts at 50 (reported): nothing shorter is cut here."""

FULL_NAME = 1_000
"""Characters of a full name, with its folders: a URL of more is refused by Jenkins (measured)."""

TEXT = 2_000
"""Characters of a description, a value or an address."""

ELLIPSIS = "…"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean(text: str, limit: int) -> str:
    """``text`` without control characters but tab and newline, cut at ``limit`` characters."""
    if not text.isprintable():
        text = _SURROGATE.sub("\ufffd", _CONTROL.sub("", text))
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS
