"""Progress of collecting and delivering, on a terminal only."""

from __future__ import annotations

from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from poller.core.events import NoEvents


class ProgressBar(NoEvents):
    """A bar of the builds to look through, or of those collected where no number is known before;
    with those collected and delivered, the rate and the time left.

    Silent when ``stream`` is no terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._bar = Progress(
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[collected]} collected, {task.fields[settled]} delivered,"),
            TextColumn("{task.fields[rate]:.0f}/s,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=Console(file=stream),
            transient=True,
            disable=not stream.isatty(),
        )
        self._to_check = self._checked = self._collected = self._settled = 0
        self._task = self._bar.add_task("", total=0, collected=0, settled=0, rate=0.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def builds_to_check(self, controller: str, count: int) -> None:  # noqa: ARG002
        """So many more are to be looked at."""
        self._to_check += count
        self._show()

    def builds_checked(self, controller: str, count: int) -> None:  # noqa: ARG002
        """So many of them were looked at."""
        self._checked += count
        self._show()

    def builds_collected(self, controller: str, count: int) -> None:  # noqa: ARG002
        """So many more builds are in the outbox."""
        self._collected += count
        self._show()

    def delivery_settled(self, *_: object) -> None:
        """One more run has the receiver's final answer."""
        self._settled += 1
        self._show()

    def _show(self) -> None:
        known = self._to_check > 0
        elapsed = self._bar.tasks[0].elapsed
        self._bar.update(
            self._task,
            total=self._to_check if known else self._collected,
            completed=self._checked if known else self._settled,
            collected=self._collected,
            settled=self._settled,
            rate=self._collected / elapsed if elapsed else 0.0,
        )
