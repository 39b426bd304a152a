"""Jenkins' ``tree=`` language: what of an object is exported. Pure functions.

As Stapler does it: names it does not know are ignored, ``_class`` is always there, and a bare name
of an object gives its class alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

ABSENT: Any = object()
"""What a property gives when the object does not export it."""

Getter: TypeAlias = Callable[[Any, Any], Any]
"""From the object and whatever was handed to :func:`select`, to the value."""

TOKENS = re.compile(r"[\[\]{},]|[^\[\]{},]+")
PUNCTUATION = frozenset("[]{},")

MAPS = frozenset({"buildsByBranchName"})
"""Properties that are maps: their keys are data, and the tree applies to each value."""


class Exported(Protocol):
    """An object that Jenkins exports: its class, and its properties, read only when asked for."""

    @property
    def class_name(self) -> str:
        """Jenkins' name of its class."""

    @property
    def properties(self) -> Mapping[str, Getter]:
        """A table that all objects of the kind share."""


@dataclass(eq=False)
class Tree:
    """What is asked of one object: the tree of each property, and the part of a list."""

    children: dict[str, Tree] = field(default_factory=dict)
    first: int = 0
    last: int | None = None
    _plans: dict[int, list[tuple[str, Getter, Tree]]] = field(default_factory=dict, repr=False)

    def of(self, name: str) -> Tree | None:
        """The tree of one property, None where it isn't asked for."""
        return self.children.get(name) or self.children.get("*")

    def plan(self, properties: Mapping[str, Getter]) -> list[tuple[str, Getter, Tree]]:
        """What to read of an object of these properties, found out once for all of a kind."""
        plan = self._plans.get(id(properties))
        if plan is None:
            asked = ((name, getter, self.of(name)) for name, getter in properties.items())
            plan = [(name, getter, tree) for name, getter, tree in asked if tree is not None]
            self._plans[id(properties)] = plan
        return plan


def parse(tree: str) -> Tree:
    """``jobs[name,builds[number]{0,5}]`` as a tree. Raises ValueError where it is malformed."""
    tokens = TOKENS.findall(tree)
    parsed, end = _names(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"unexpected {tokens[end]!r} in {tree!r}")
    return parsed


def _names(tokens: list[str], at: int) -> tuple[Tree, int]:
    found = Tree()
    while True:
        name = _token(tokens, at)
        if name in PUNCTUATION or not name:
            raise ValueError(f"a name is due at token {at + 1}, not {name!r}")
        child, at = Tree(), at + 1
        if _token(tokens, at) == "[":
            child, at = _names(tokens, at + 1)
            at = _expect(tokens, at, "]")
        if _token(tokens, at) == "{":
            at = _range(tokens, at + 1, child)
        found.children[name] = child
        if _token(tokens, at) != ",":
            return found, at
        at += 1


def _range(tokens: list[str], at: int, tree: Tree) -> int:
    """``{M,N}``, ``{M,}``, ``{,N}``, and ``{M}`` for the one at M."""
    if (start := _token(tokens, at)) not in PUNCTUATION:
        tree.first, at = int(start), at + 1
    if _token(tokens, at) != ",":
        tree.last = tree.first + 1
        return _expect(tokens, at, "}")
    at += 1
    if (end := _token(tokens, at)) not in PUNCTUATION:
        tree.last, at = int(end), at + 1
    return _expect(tokens, at, "}")


def _token(tokens: list[str], at: int) -> str:
    return tokens[at] if at < len(tokens) else ""


def _expect(tokens: list[str], at: int, token: str) -> int:
    if _token(tokens, at) != token:
        raise ValueError(f"{token!r} is due at token {at + 1}")
    return at + 1


def select(value: Any, tree: Tree, asked: Any = None) -> Any:
    """The part of ``value`` that ``tree`` asks for, as plain JSON.

    ``value`` may be plain JSON itself, as of a recording, or any :class:`Exported` in it; ``asked``
    is handed to the getters.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, dict):
        return {name: part for name, part in _of_dict(value, tree, asked) if part is not ABSENT}
    if isinstance(value, (list, tuple)):
        return [select(one, tree, asked) for one in value[tree.first : tree.last]]
    exported: dict[str, Any] = {"_class": value.class_name} if value.class_name else {}
    for name, getter, subtree in tree.plan(value.properties):
        part = getter(value, asked)
        if part is not ABSENT:
            exported[name] = _part(name, part, subtree, asked)
    return exported


def _of_dict(value: dict[str, Any], tree: Tree, asked: Any) -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if name == "_class":
            yield name, part
        elif (subtree := tree.of(name)) is not None:
            yield name, _part(name, part, subtree, asked)


def _part(name: str, part: Any, tree: Tree, asked: Any) -> Any:
    if name in MAPS and isinstance(part, dict):
        return {key: select(one, tree, asked) for key, one in part.items()}
    return select(part, tree, asked)
