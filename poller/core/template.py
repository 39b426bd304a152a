"""Texts with places in braces: ``{job}``, ``{param.TEAM|branch|'none'}``, ``{{`` for a brace. Pure.

A place takes the first of its names that has a value; a text in quotes always has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_QUOTED = re.compile(r"'([^']*)'")

Place: TypeAlias = tuple[tuple[str, bool], ...]
"""The choices of one place: a name, or (true) a text as it is."""


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[str | Place, ...]:
    """The parts of a template. Raises ValueError that says what is wrong with it."""
    parts: list[str | Place] = []
    at = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[at : token.start()])
        at = token.end()
        if token[0] in ("{{", "}}"):
            parts.append(token[0][0])
        elif token[1] is None:
            raise ValueError(f"a lone {token[0]}: write {{name}}, or {token[0] * 2} for a brace")
        else:
            parts.append(tuple(_choice(one.strip()) for one in token[1].split("|")))
    return tuple(part for part in (*parts, text[at:]) if part)


def names(text: str) -> set[str]:
    """The names in the template's places. Raises ValueError."""
    places = (part for part in parse(text) if not isinstance(part, str))
    return {name for place in places for name, literal in place if not literal}


def fill(text: str, value: Callable[[str], str]) -> str | None:
    """The template with its places filled; None where one has no value. ``value`` gives that of a
    name, empty where there is none."""
    if "{" not in text and "}" not in text:
        return text
    filled = []
    for part in parse(text):
        if isinstance(part, str):
            filled.append(part)
            continue
        one = next(filter(None, (name if lit else value(name) for name, lit in part)), None)
        if one is None:
            return None
        filled.append(one)
    return "".join(filled) or None


def _choice(text: str) -> tuple[str, bool]:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[1], True
    if not _NAME.fullmatch(text):
        raise ValueError(f"{{{text}}}: a name, or 'a text' in quotes, is due between the braces")
    return text, False
