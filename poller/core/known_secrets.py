"""The secrets that this process has read: nothing that it says or keeps holds one.

What a server answers may repeat what it was asked with, its headers as well. So each secret is
remembered where it is read, and taken out of every error, line and answer that is shown or stored.
"""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

HIDDEN = "****"

SHORTEST = 8
"""Characters: to take a shorter one out of every text would show more of it than it hides."""

LONG_PART = 12
"""Characters: no name has a part of letters and digits in turn that is as long."""

_NO_PART, _NAME_PART = re.compile(r"[^A-Za-z0-9]"), re.compile(r"[A-Za-z]*[0-9]{0,4}")

_known: dict[str, None] = {}


def forms(value: str) -> list[str]:
    """A secret as it stands in a text, in a URL and in JSON."""
    return [value, quote(value, safe=""), json.dumps(value)[1:-1]]


def remember(value: str, user: str | None = None) -> None:
    """A secret, and every form in which it leaves this process: of a ``user``, Basic's, too."""
    if len(value) < SHORTEST:
        return
    every = forms(value)
    if user is not None:
        every.append(base64.b64encode(f"{user}:{value}".encode()).decode())
    # The longest first: what one holds of another goes with it.
    ordered = sorted({*_known, *every}, key=len, reverse=True)
    _known.clear()
    _known.update(dict.fromkeys(ordered))


def remember_misplaced(name: str) -> None:
    """A secret that stands where the name of a variable, a file or a credential is wanted: with a
    part of letters and digits as no name has it."""
    parts = [] if name.startswith("/") else _NO_PART.split(name)
    if any(len(part) >= LONG_PART and not _NAME_PART.fullmatch(part) for part in parts):
        remember(name)


def mask(text: str) -> str:
    """``text`` with ``****`` for every secret that is remembered."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text
