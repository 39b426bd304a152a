"""What another config changes, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from poller.config.load import show
from poller.config.settings import Settings


def differences(before: Settings, after: Settings) -> list[str]:
    """One line for each table that is not the same, with its keys; values may be nobody's
    business. Pure."""
    old, new = show(before), show(after)
    before_by_name, after_by_name = (
        {one["name"]: one for one in shown.pop("controllers")} for shown in (old, new)
    )
    return [
        *_tables(before_by_name, after_by_name, 'controller "{}"'),
        *_tables(old, new, "[{}]"),
    ]


def _tables(old: dict[str, Any], new: dict[str, Any], name: str) -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        before, after, table = old.get(key), new.get(key), name.format(key)
        if before == after:
            continue
        if before is None or after is None:
            yield f"{table}: {'new' if before is None else 'gone'}"
        elif isinstance(before, dict):
            keys = [one for one in (*before, *after) if before.get(one) != after.get(one)]
            yield f"{table}: {', '.join(dict.fromkeys(keys))}"
        else:
            yield table
