"""Whether the ledger takes what is to be recorded.

While it does not, no controller is polled and nothing is sent: both would have to be done again. A
little is written from time to time, and when that works, the service goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from poller.core.errors import LedgerBusy, LedgerError, LedgerUnwritable
from poller.core.times import backoff
from poller.ledger import Ledger

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two tries to write."""


class LedgerGuard:
    """``set_problem`` gets why the ledger can't be written, and an empty text when it can again.
    ``run_soon`` gets the id of each job that was skipped meanwhile."""

    def __init__(
        self, ledger: Ledger, set_problem: Callable[[str], None], run_soon: Callable[[str], None]
    ) -> None:
        self._ledger = ledger
        self._set_problem = set_problem
        self._run_soon = run_soon
        self._log = structlog.get_logger()
        self._reported = asyncio.Event()
        self._broken: LedgerError | None = None
        self._busy = False
        self._failures = 0
        self._skipped: set[str] = set()

    @property
    def writable(self) -> bool:
        """As far as is known."""
        return not self._reported.is_set()

    async def run_job(self, job_id: str, work: Callable[[], Awaitable[None]]) -> None:
        """``work``, unless the ledger can't be written; it is done soon after that then."""
        if not self.writable:
            self._skipped.add(job_id)
            return
        try:
            await work()
        except LedgerError as error:
            self._skipped.add(job_id)
            self.report(error)

    def report(self, error: LedgerError) -> None:
        """Something could not be recorded."""
        if not isinstance(error, LedgerUnwritable):
            self._broken = error
        elif self.writable:
            self._busy = isinstance(error, LedgerBusy)
            self._failures += 1
            self._log.error(
                "ledger_unwritable", problem=str(error), hint=error.hint,
                detail="no controller is polled and nothing is sent",
            )  # fmt: skip
            self._set_problem(str(error))
        self._reported.set()

    def recorded(self) -> None:
        """A whole piece of work was recorded: the next failure is a first one."""
        self._failures = 0

    async def run(self) -> None:
        """For ever: try to write while writes fail. Raises LedgerError when the file itself is not
        to be used any more."""
        while True:
            await self._reported.wait()
            if self._broken is not None:
                raise self._broken
            await asyncio.sleep(self._wait())
            if self._broken is not None:  # meanwhile, by a job that was under way
                raise self._broken
            try:
                self._ledger.try_writing()
            except LedgerUnwritable as error:
                self._busy = isinstance(error, LedgerBusy)
                self._failures += 1
                self._set_problem(str(error))
                continue
            self._reported.clear()
            self._log.info("ledger_writable")
            self._set_problem("")
            for job_id in self._skipped:
                self._run_soon(job_id)
            self._skipped.clear()

    def _wait(self) -> float:
        """Seconds until the next try. Another program lets go of it at any moment; a disk takes
        longer, and each try writes to it."""
        if self._busy:
            return FIRST_WAIT
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        return backoff(self._failures, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter)
