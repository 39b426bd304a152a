"""Whether the ledger takes what is to be recorded.

While it does not, no controller is asked and nothing is sent: it would have to be asked and sent
again. A little is written from time to time, and when that works, work goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog

from poller.core.errors import LedgerUnwritable
from poller.core.times import backoff
from poller.ledger import Ledger

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries to write."""


class LedgerGuard:
    """``tell`` is told why the ledger can't be written, and with an empty text that it can."""

    def __init__(self, ledger: Ledger, tell: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._tell = tell
        self._log = structlog.get_logger()
        self._lost = asyncio.Event()
        self._failures = 0
        self.there = asyncio.Event()
        self.there.set()

    def lost(self, error: LedgerUnwritable) -> None:
        """Something could not be recorded."""
        if self.there.is_set():
            self.there.clear()
            self._lost.set()
            self._failures += 1
            self._log.error(
                "nothing can be recorded", problem=str(error), hint=error.hint,
                meanwhile="nothing is asked or sent",
            )  # fmt: skip
            self._tell(str(error))

    def used(self) -> None:
        """A whole piece of work was recorded: the next failure is a first one."""
        self._failures = 0

    async def look_after(self, back: Callable[[], None]) -> None:
        """For ever: try to write while writes fail, and call ``back`` when they work again. Raises
        LedgerError when the file itself is not to be used any more."""
        while True:
            await self._lost.wait()
            jitter = random.random()  # noqa: S311 - spreads load, guards nothing
            await asyncio.sleep(
                backoff(self._failures, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter)
            )
            try:
                self._ledger.try_writing()
            except LedgerUnwritable as error:
                self._failures += 1
                self._tell(str(error))
                continue
            self._lost.clear()
            self.there.set()
            self._log.info("the ledger can be written again")
            self._tell("")
            back()
