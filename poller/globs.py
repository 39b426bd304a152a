"""Globs over full names: ``*`` within a segment, ``**`` across segments, ``?`` one character."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=1024)
def compiled(glob: str) -> re.Pattern[str]:
    """The glob as a regular expression. ``a/**`` is all below ``a``; ``**/b`` is ``b`` anywhere."""
    out = []
    for part in re.split(r"(\*\*/|\*+|\?)", glob):
        if part == "**/":
            out.append(r"(?:[^/]+/)*")
        elif part.startswith("**"):
            out.append(r".*")
        elif part == "*":
            out.append(r"[^/]*")
        elif part == "?":
            out.append(r"[^/]")
        else:
            out.append(re.escape(part))
    return re.compile("".join(out), re.DOTALL)


def matches(full_name: str, glob: str) -> bool:
    """Whether the whole name matches; case matters."""
    return compiled(glob).fullmatch(full_name) is not None


class Globs:
    """What is included and not excluded."""

    def __init__(self, include: Iterable[str], exclude: Iterable[str] = ()) -> None:
        self._include = [compiled(glob) for glob in include]
        self._exclude = [compiled(glob) for glob in exclude]

    def selects(self, full_name: str) -> bool:
        """Whether the job is ours to watch."""
        return any(p.fullmatch(full_name) for p in self._include) and not any(
            p.fullmatch(full_name) for p in self._exclude
        )
