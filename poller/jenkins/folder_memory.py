"""What was learned of folders that can't be had in one answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

FORGOTTEN = 3600.0
"""Seconds after which a folder is asked for in one answer again."""

FIRST_SIZE, LARGEST = 64, 2**20
"""Items of a folder that are asked for at once: to begin with, and at most."""


@dataclass
class FolderParts:
    """How a folder is asked for: ``size`` items at once, ``most`` of them where more were too many;
    those at the places ``apart`` each by itself."""

    until: float
    size: int = FIRST_SIZE
    most: int | None = None
    apart: set[int] = field(default_factory=set)

    def next_size(self, at: int) -> int:
        """How many to ask for from the place ``at``, which is not apart."""
        return min([self.size, *(place - at for place in self.apart if place > at)])

    def failed(self, at: int, size: int) -> None:
        """So many from there can't be had."""
        if size == 1:
            self.apart.add(at)
            self.most = None  # it was this one, and not how many
        else:
            self.size = self.most = size // 2

    def succeeded(self, size: int) -> None:
        """So many could be had."""
        if size == self.size:
            self.size = min(2 * size, self.most or LARGEST)


class FolderMemory:
    """Of one controller, in this process. ``now`` is in seconds, of any clock that only goes
    forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._parts: dict[str, FolderParts] = {}

    def get(self, folder: str) -> FolderParts | None:
        """How to ask for a folder in parts; None for one that is asked for at once."""
        parts = self._parts.get(folder)
        if parts is not None and self._now() >= parts.until:
            del self._parts[folder]
            return None
        return parts

    def learn(self, folder: str) -> FolderParts:
        """A folder can't be had at once."""
        parts = self._parts[folder] = FolderParts(self._now() + FORGOTTEN)
        return parts
