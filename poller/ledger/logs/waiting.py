"""How old logs may become: those that a delivery waits with may become older."""

from __future__ import annotations

from typing import NamedTuple


class LogAge(NamedTuple):
    """What was read before ``old`` goes (epoch milliseconds); where its build waits to be sent to
    SEI, what was read before ``waiting``, which is no later."""

    old: int
    waiting: int


def is_too_old(table: str) -> str:
    """A condition on the rows of a table that has ``build`` and ``at``; ?1 and ?2 are a LogAge.
    What a build has that began later was read by a clock that was behind."""
    return (
        f"{table}.at < ?1 and (select timestamp from build where id = {table}.build) < ?1"
        f" and ({table}.at < ?2 or not exists (select 1 from delivery d"
        f" where d.build = {table}.build and d.sink = 'sei' and d.state = 'queued'))"
    )
