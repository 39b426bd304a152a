"""Where a controller's stages come from."""

from __future__ import annotations

from dataclasses import dataclass

from poller.ledger.stage_sources import StageSourceRow
from poller.polling.extras.stage_trees import SOURCES


@dataclass(frozen=True)
class StagesState:
    """``source`` is the plugin, None where none answers. Of the ``builds`` of pipelines recorded
    ``since`` (epoch ms), ``trees`` have stages."""

    source: str | None
    builds: int
    trees: int
    since: int

    @property
    def words(self) -> str:
        """``Pipeline Graph View 6 of 6``."""
        return in_words(self.source, self.trees, self.builds)


def in_words(source: str | None, trees: int, builds: int) -> str:
    """Who gives stages, and of how many builds."""
    if source is None:
        return f"no plugin gives them ({trees} of {builds})"
    return f"{source} {trees} of {builds}"


def stages_state(row: StageSourceRow | None) -> StagesState | None:
    """The row of the ledger for people; None before the first build of a pipeline."""
    if row is None:
        return None
    name = next((kind.name for kind in SOURCES if kind.key == row.source), None)
    return StagesState(name, row.builds, row.trees, row.since)
