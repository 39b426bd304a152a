"""Progress of collecting and delivering, on a terminal only."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


class Progress:
    """A bar of builds delivered out of builds collected; silent when ``stream`` is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("builds"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not stream.isatty(),
        )
        self._task = self._bar.add_task("collected and delivered", total=0)
        self._total = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def collected(self, count: int) -> None:
        """So many more builds are in the outbox."""
        self._total += count
        self._bar.update(self._task, total=self._total)

    def settled(self, count: int) -> None:
        """So many more have the receiver's last word."""
        self._bar.advance(self._task, count)
