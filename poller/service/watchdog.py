"""What the service does now, and whether it gets on with it: the watchdog's food.

systemd's watchdog is fed by the scheduler that starts the polls, in the loop that polls and
delivers, and only while everything that is under way shows progress within its patience. A poll or
a delivery that hangs, a loop that blocks and a scheduler that died all end the feeding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from poller.service.systemd import Systemd

SQLITE_WAIT = 30.0
"""Seconds that the ledger may wait for another process."""

SHOWN = 3
"""How many things the status line names of what is done, and of what is wrong."""

TRIES = 4
"""Requests in a row that may all run into their timeout, and be no hang."""


def patience(timeout: int, request_rate: float | None) -> float:
    """Seconds after which work without progress hangs; ``timeout`` of one answer is in ms."""
    return TRIES * timeout / 1000 + SQLITE_WAIT + (1 / request_rate if request_rate else 0)


@dataclass
class _Work:
    patience: float
    progress: Callable[[], int]
    seen: int
    since: float


class Watchdog:
    """``clock`` is a monotonic one, in seconds."""

    def __init__(self, notify: Systemd, clock: Callable[[], float]) -> None:
        self._notify = notify
        self._clock = clock
        self._work: dict[str, _Work] = {}
        self._trouble: dict[str, str] = {}
        self._told: list[str] = []

    @contextlib.contextmanager
    def doing(self, what: str, patience: float, progress: Callable[[], int]) -> Iterator[None]:
        """Work under way: ``progress`` has to change at least once in ``patience`` seconds."""
        self._work[what] = _Work(patience, progress, progress(), self._clock())
        self._tell()
        try:
            yield
        finally:
            del self._work[what]
            self._tell()

    def trouble(self, where: str, why: str) -> None:
        """Why ``where`` does not do well, for the status line; empty when it does again."""
        self._trouble[where] = why
        self._tell()

    def feed(self) -> None:
        """Feed the watchdog, unless something hangs."""
        hanging = self.hanging()
        if not hanging:
            self._notify.alive()
        elif hanging != self._told:
            structlog.get_logger().error(
                "hangs", what=hanging, hint="the watchdog is not fed: systemd starts us anew"
            )
        self._told = hanging

    def hanging(self) -> list[str]:
        """What has shown no progress for longer than its patience."""
        now = self._clock()
        for work in self._work.values():
            if (seen := work.progress()) != work.seen:
                work.seen, work.since = seen, now
        return [what for what, work in self._work.items() if now - work.since > work.patience]

    def _tell(self) -> None:
        doing = few(list(self._work), ", ") or "waiting for the next poll"
        trouble = few([why for why in self._trouble.values() if why], "; ")
        self._notify.status(f"{doing}; {trouble}" if trouble else doing)


def few(things: Sequence[str], between: str) -> str:
    """The first few, and how many more: a line that can be read, with 200 controllers, too."""
    more = [f"and {len(things) - SHOWN} more"] if len(things) > SHOWN else []
    return between.join([*things[:SHOWN], *more])
