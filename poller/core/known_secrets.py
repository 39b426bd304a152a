"""The secrets that this process has read: nothing that it says or keeps holds one.

What a server answers may repeat what it was asked with, its headers as well. So each secret is
remembered where it is read, and taken out of every error, line and answer that is shown or stored.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

HIDDEN = "****"

SHORTEST = 8
"""Characters: to take a shorter one out of every text would show more of it than it hides."""

_known: dict[str, None] = {}


def remember(value: str, user: str | None = None) -> None:
    """A secret, and every form in which it leaves this process: of a ``user``, Basic's, too."""
    if len(value) < SHORTEST:
        return
    forms = [value, quote(value, safe=""), json.dumps(value)[1:-1]]
    if user is not None:
        forms.append(base64.b64encode(f"{user}:{value}".encode()).decode())
    # The longest first: what one holds of another goes with it.
    every = sorted({*_known, *forms}, key=len, reverse=True)
    _known.clear()
    _known.update(dict.fromkeys(every))


def mask(text: str) -> str:
    """``text`` with ``****`` for every secret that is remembered."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text
