"""The receivers' last words on their way into the ledger, kept while that can't be written: what a
receiver has taken is not sent again for want of room on our disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from poller.core.errors import LedgerUnwritable
from poller.ledger import Ledger
from poller.ledger.outbox import Outcome


@dataclass(frozen=True)
class FinalAnswer:
    """What a receiver said of a delivery, by its id; ``at`` is epoch milliseconds."""

    delivery: int
    state: Outcome
    at: int
    status: int
    answer: str | None = None


@dataclass
class Settlement:
    """The words of one sink. ``failure`` is why the ledger took the last one not, or a read failed:
    nothing more is to be sent then."""

    failure: LedgerUnwritable | None = None
    _kept: list[FinalAnswer] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._kept)

    def settle(self, ledger: Ledger, word: FinalAnswer) -> None:
        """Record the word, or keep it for :meth:`catch_up`."""
        self._kept.append(word)
        if self.failure is None:
            with self.noting_failure():
                self.catch_up(ledger)

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """What is raised inside for want of room becomes :attr:`failure`."""
        try:
            yield
        except LedgerUnwritable as error:
            self.failure = error

    def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure

    def catch_up(self, ledger: Ledger) -> None:
        """Record what is kept. Raises LedgerUnwritable; what is not recorded yet stays."""
        while self._kept:
            word = self._kept[0]
            ledger.outbox.settle(word.delivery, word.state, word.at, word.status, word.answer)
            del self._kept[0]
        self.failure = None
