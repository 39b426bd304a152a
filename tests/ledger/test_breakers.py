"""Breakers in the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlite_utils import Database

from poller.http.breaker import Breaker, BreakerState
from poller.ledger import Ledger
from poller.ledger.schema import migrations
from tests.support.ledgers import LEDGERS

OLD = LEDGERS / "m001.db"
OPEN = Breaker(BreakerState.OPEN, since=5, failures=3, tries=2, next_try=9, why="HTTP 502")


def test_a_breaker_is_there_for_the_next_process(tmp_path: Path) -> None:
    """A controller and a sink of one name are two; what is new replaces what was."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.breakers.keep("controller", "sei", OPEN)
        ledger.breakers.keep("sink", "sei", OPEN.half_opened())
    with Ledger(tmp_path / "ledger.db", read_only=True) as ledger:
        assert ledger.breakers.get("controller", "sei") == OPEN
        assert ledger.breakers.get("sink", "sei") == OPEN.half_opened()
        assert ledger.breakers.get("sink", "jsonl") == Breaker()
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.breakers.keep("controller", "sei", Breaker(since=10))
        assert ledger.breakers.all("controller") == {"sei": Breaker(since=10)}


def test_old_files_take_breakers(tmp_path: Path) -> None:
    """The first one, and that of the version before."""
    shutil.copy(OLD, tmp_path / "first.db")
    db = Database(tmp_path / "before.db")
    migrations.apply(db, stop_before="m007_breaker")
    db.close()
    for name in ("first.db", "before.db"):
        with Ledger(tmp_path / name) as ledger:
            assert ledger.breakers.all("controller") == {}
            ledger.breakers.keep("controller", "main", OPEN)
            assert ledger.breakers.get("controller", "main") == OPEN
