"""What the service does now, and whether it gets on with it.

systemd's watchdog is notified by the scheduler that starts the polls, in the loop that polls and
delivers, and only while everything that is under way shows progress. A poll or a delivery that
hangs, a loop that blocks and a scheduler that died all end the notifications.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from poller.service.systemd import Systemd

PATIENCE = 600.0
"""Seconds that one request may take, with all that is waited for around it: its turn, its timeout,
and the ledger, while another process writes."""

SHOWN = 3
"""How many things the status line names of what is done, and of what is wrong."""


@dataclass
class _Work:
    progress: Callable[[], int]
    seen: int
    since: float


class Watchdog:
    """``clock`` is a monotonic one, in seconds."""

    def __init__(
        self,
        systemd: Systemd,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        self.systemd = systemd
        self._clock = clock
        self._patience = patience
        self._work: dict[str, _Work] = {}
        self._problems: dict[str, str] = {}
        self._logged: list[str] = []

    @contextlib.contextmanager
    def track(self, what: str, progress: Callable[[], int]) -> Iterator[None]:
        """Work under way: the number of its requests, ``progress``, has to change in time."""
        self._work[what] = _Work(progress, progress(), self._clock())
        self._show()
        try:
            yield
        finally:
            del self._work[what]
            self._show()

    def set_problem(self, where: str, why: str) -> None:
        """What is wrong with ``where``, for the status line; empty when nothing is any more."""
        self._problems[where] = why
        self._show()

    async def ping(self) -> None:
        """Notify systemd's watchdog, unless something is stalled."""
        stalled = self.stalled()
        if not stalled:
            self.systemd.alive()
        elif stalled != self._logged:
            structlog.get_logger().error(
                "work_stalled", what=stalled, hint="the watchdog is not notified: systemd restarts"
            )
        self._logged = stalled

    def stalled(self) -> list[str]:
        """What has shown no progress for too long."""
        now = self._clock()
        for work in self._work.values():
            if (seen := work.progress()) != work.seen:
                work.seen, work.since = seen, now
        return [what for what, work in self._work.items() if now - work.since > self._patience]

    def _show(self) -> None:
        doing = few(list(self._work), ", ") or "waiting for the next poll"
        problems = few([why for why in self._problems.values() if why], "; ")
        self.systemd.status(f"{doing}; {problems}" if problems else doing)


def few(things: Sequence[str], between: str) -> str:
    """The first few, and how many more: a line that can be read, with 200 controllers, too."""
    more = [f"and {len(things) - SHOWN} more"] if len(things) > SHOWN else []
    return between.join([*things[:SHOWN], *more])
