"""The receivers' final answers on their way into the ledger, kept while that can't be written: what
a receiver has taken is not sent again because our disk is full."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from poller.core.errors import LedgerUnwritable
from poller.ledger import Ledger
from poller.ledger.deliveries.outbox import Outcome


@dataclass(frozen=True)
class FinalAnswer:
    """What a receiver said of a delivery, by its id; ``at`` is epoch milliseconds.
    ``without_logs``: why it was delivered without the logs that there are."""

    delivery: int
    state: Outcome
    at: int
    status: int
    answer: str | None = None
    without_logs: str | None = None


class Settlement:
    """The final answers of all sinks. ``failure`` is why the ledger did not take the last one, or
    why a read failed: nothing more is to be sent then."""

    def __init__(self, ledger: Ledger) -> None:
        self.failure: LedgerUnwritable | None = None
        self._ledger = ledger
        self._kept: list[FinalAnswer] = []

    def __len__(self) -> int:
        return len(self._kept)

    def settle(self, answer: FinalAnswer) -> None:
        """Record the answer, or keep it for :meth:`catch_up`."""
        self._kept.append(answer)
        if self.failure is None:
            with self.noting_failure():
                self.catch_up()

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """A LedgerUnwritable that is raised inside becomes :attr:`failure`."""
        try:
            yield
        except LedgerUnwritable as error:
            self.failure = error

    def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure

    def catch_up(self) -> None:
        """Record what is kept. Raises LedgerUnwritable; what is not recorded yet stays."""
        while self._kept:
            first = self._kept[0]
            if first.without_logs is not None:
                self._ledger.outbox.note_without_logs(first.delivery, first.without_logs)
            self._ledger.outbox.settle(
                first.delivery, first.state, first.at, first.status, first.answer
            )
            del self._kept[0]
        self.failure = None

    def take_over(self, before: Settlement) -> None:
        """Go on with the answers that another one could not record."""
        self._kept, before._kept = [*before._kept, *self._kept], []
