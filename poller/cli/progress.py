"""Progress of collecting and delivering, on a terminal only."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from poller.core.events import NoEvents


class BackfillBar(NoEvents):
    """A bar of the builds to look through, with those collected, the rate and the time left; silent
    when ``stream`` is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._bar = Bar(
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[builds]} collected, {task.fields[sent]} delivered,"),
            TextColumn("{task.fields[rate]}/s,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=Console(file=stream),
            transient=True,
            disable=not stream.isatty(),
        )
        self._task = self._bar.add_task("", total=0, builds=0, sent=0, rate="0")
        self._total = self._builds = self._sent = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def delivery_settled(self, sink: str, controller: str, outcome: str, waited_ms: int) -> None:
        """One more has its final answer."""
        del sink, controller, outcome, waited_ms
        self._sent += 1
        self._bar.update(self._task, sent=self._sent)

    def builds_to_check(self, controller: str, count: int) -> None:
        """So many more are to be looked at."""
        del controller
        self._total += count
        self._bar.update(self._task, total=self._total)

    def builds_checked(self, controller: str, count: int) -> None:
        """So many of them were looked at."""
        del controller
        self._bar.advance(self._task, count)

    def builds_collected(self, controller: str, count: int) -> None:
        """So many more builds are in the outbox."""
        del controller
        self._builds += count
        elapsed = self._bar.tasks[0].elapsed or 0
        rate = f"{self._builds / elapsed:.0f}" if elapsed else "0"
        self._bar.update(self._task, builds=self._builds, rate=rate)


class DeliveryBar(NoEvents):
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

    def builds_collected(self, controller: str, count: int) -> None:
        """So many more builds are in the outbox."""
        del controller
        self._total += count
        self._bar.update(self._task, total=self._total)

    def delivery_settled(self, sink: str, controller: str, outcome: str, waited_ms: int) -> None:
        """One more has its final answer."""
        del sink, controller, outcome, waited_ms
        self._bar.advance(self._task)
