"""Which plugin of each controller gives stage trees, and of how many builds it gave one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from poller.ledger.file import LedgerFile


@dataclass(frozen=True)
class StageSourceRow:
    """``source`` is the key of the plugin, empty where none answers; ``place`` where it does, or
    without a source the setting that was tried; ``session`` that of the Jenkins that was asked. Of
    the ``builds`` of pipelines recorded ``since`` (epoch ms), ``trees`` have stages."""

    source: str
    place: str
    session: str
    since: int
    builds: int
    trees: int


class StageSources:
    """The table ``stage_source``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def find(self, controller: str) -> StageSourceRow | None:
        """Of the controller of that name; None before its first build of a pipeline."""
        return self.all().get(controller)

    def all(self) -> dict[str, StageSourceRow]:
        """By name of the controller."""
        rows = self._file.rows(
            "select c.name, s.source, s.place, s.session, s.since, s.builds, s.trees"
            " from stage_source s join controller c on c.id = s.controller"
        )
        return {row.pop("name"): StageSourceRow(**row) for row in rows}

    def note(self, controller: str, source: str, place: str, session: str, *, at: int) -> None:
        """Note who answers. Another source than before counts anew, since ``at`` (epoch ms)."""
        with self._file.write("note who gives stages") as conn:
            conn.execute(
                "insert into stage_source (controller, source, place, session, since)"
                " select id, ?2, ?3, ?4, ?5 from controller where name = ?1"
                " on conflict do update set place = excluded.place, session = excluded.session,"
                " since = iif(source = excluded.source, since, excluded.since),"
                " builds = iif(source = excluded.source, builds, 0),"
                " trees = iif(source = excluded.source, trees, 0), source = excluded.source",
                (controller, source, place, session, at),
            )


def count_trees(conn: sqlite3.Connection, controller: int, has_tree: Iterable[bool]) -> None:
    """Count builds of pipelines, with or without a tree, as a part of recording them."""
    if counted := list(has_tree):
        conn.execute(
            "update stage_source set builds = builds + ?, trees = trees + ? where controller = ?",
            (len(counted), sum(counted), controller),
        )


def keep_depths(conn: sqlite3.Connection, build: int, depths: str | None) -> None:
    """Keep how the stages of a payload are nested, with it."""
    if depths is not None:
        conn.execute("update payload set depths = ? where build = ?", (depths, build))
