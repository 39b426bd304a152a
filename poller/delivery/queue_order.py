"""Which delivery is next: the oldest of all whose job has none under way. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable


class QueueOrder:
    """Deliveries that wait, by their ids, a line a job. Runs of a job go one after the other."""

    def __init__(self) -> None:
        self.waiting = 0
        """Deliveries in line, those under way not counted."""
        self._lines: dict[int, deque[int]] = {}
        self._heads: list[tuple[int, int]] = []
        self._held: set[int] = set()

    @property
    def free_jobs(self) -> int:
        """Jobs with a delivery that may go now."""
        return len(self._heads)

    def add(self, deliveries: Iterable[tuple[int, int]]) -> None:
        """Line up deliveries and their jobs, by ascending ids; those of a held job stay out."""
        for delivery, job in deliveries:
            if job in self._held:
                continue
            self.waiting += 1
            if job in self._lines:
                self._lines[job].append(delivery)
            else:
                self._lines[job] = deque([delivery])
                heapq.heappush(self._heads, (delivery, job))

    def next(self) -> tuple[int, int] | None:
        """The oldest delivery that may go, and its job, which is under way then."""
        if not self._heads:
            return None
        delivery, job = heapq.heappop(self._heads)
        self._lines[job].popleft()
        self.waiting -= 1
        return delivery, job

    def done(self, job: int) -> None:
        """The delivery of the job that was under way is settled."""
        if line := self._lines[job]:
            heapq.heappush(self._heads, (line[0], job))
        else:
            del self._lines[job]

    def hold(self, job: int) -> None:
        """The delivery of the job that was under way failed: nothing of the job goes any more."""
        self._held.add(job)
        self.waiting -= len(self._lines.pop(job))
