"""Circuit breakers in the ledger: of each controller and of each sink."""

from __future__ import annotations

from typing import Literal

from poller.http.breaker import Breaker, BreakerState
from poller.ledger.file import LedgerFile

BreakerKind = Literal["controller", "sink"]


class Breakers:
    """The table ``breaker``: written by the process that polls, or sends; read by any."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def get(self, kind: BreakerKind, name: str) -> Breaker:
        """The breaker of a server, closed where none was kept."""
        return self._kept(kind, name).get(name, Breaker())

    def all(self, kind: BreakerKind) -> dict[str, Breaker]:
        """Those that were kept, by the server's name."""
        return self._kept(kind, None)

    def _kept(self, kind: BreakerKind, name: str | None) -> dict[str, Breaker]:
        """Of one server, or of all: what is kept of each poll must not read of 200 others."""
        with self._file.guarded("read the breakers"):
            return {
                name: Breaker(BreakerState(state), *rest)
                for name, state, *rest in self._file.conn.execute(
                    "select name, state, since, failures, tries, next_try, why from breaker"
                    " where kind = ?1 and (?2 is null or name = ?2)",
                    (kind, name),
                )
            }

    def keep(self, kind: BreakerKind, name: str, breaker: Breaker) -> None:
        """Keep a breaker; nothing is written where it is as before."""
        if breaker == self.get(kind, name):
            return
        with self._file.write("note a breaker") as conn:
            conn.execute(
                "insert or replace into breaker values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    kind, name, breaker.state, breaker.since, breaker.failures, breaker.tries,
                    breaker.next_try, breaker.why,
                ),
            )  # fmt: skip
