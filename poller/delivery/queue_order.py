"""Which delivery is next. Pure.

Three kinds take turns: builds that polls found, those of a backfill, and runs that failed before,
of which there is one under way at most. Within the first two, controllers take turns. Runs of a job
go one after the other, oldest first.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from typing import Literal

from poller.ledger.deliveries.queue import Lane

TRIED: Literal["tried"] = "tried"
"""The lane of the runs that failed before."""

AnyLane = Lane | Literal["tried"]


class QueueOrder:
    """Deliveries that wait, by their ids, a lane for each controller and kind, and a line in it for
    each job."""

    def __init__(self) -> None:
        self._lines: dict[AnyLane, dict[int, deque[int]]] = {}
        self._heads: dict[AnyLane, list[tuple[int, int]]] = {}
        self._waiting: dict[AnyLane, int] = {}
        self._turns: deque[deque[AnyLane]] = deque([deque(), deque([TRIED]), deque()])
        self._polled, _, self._backfilled = self._turns
        self._under_way: dict[int, tuple[AnyLane, int]] = {}
        self._known: set[int] = set()
        self._held: set[int] = set()
        self._lanes_of: dict[int, set[AnyLane]] = {}

    def add(self, lane: AnyLane, deliveries: Iterable[tuple[int, int]]) -> None:
        """Line up deliveries and their jobs, by ascending ids in a job; none twice."""
        if lane not in self._lines:
            self._lines[lane], self._heads[lane], self._waiting[lane] = {}, [], 0
            if lane != TRIED:
                (self._backfilled if lane.backfilled else self._polled).append(lane)
        for delivery, job in deliveries:
            if delivery in self._known:
                continue
            self._known.add(delivery)
            self._waiting[lane] += 1
            line = self._lines[lane].setdefault(job, deque())
            line.append(delivery)
            if len(line) == 1:
                self._lanes_of.setdefault(job, set()).add(lane)
                heapq.heappush(self._heads[lane], (delivery, job))

    def waiting(self, lane: AnyLane) -> int:
        """How many stand in a lane."""
        return self._waiting.get(lane, 0)

    def ready(self, lane: AnyLane) -> bool:
        """Whether one of them may go now."""
        heads, lines = self._heads.get(lane, []), self._lines.get(lane, {})
        if lane == TRIED and any(one == TRIED for one, _ in self._under_way.values()):
            return False
        while heads:
            delivery, job = heads[0]
            line = lines.get(job)
            if line and line[0] == delivery and self._is_free(lane, job):
                return True
            heapq.heappop(heads)  # it comes back with its job
        return False

    def next(self) -> tuple[int, int] | None:
        """The delivery whose turn it is, and its job, which is under way then."""
        for _ in range(len(self._turns)):
            lanes = self._turns[0]
            self._turns.rotate(-1)
            for _ in range(len(lanes)):
                lane = lanes[0]
                lanes.rotate(-1)
                if self.ready(lane):
                    return self._take(lane)
        return None

    def done(self, job: int) -> None:
        """The delivery of the job that was under way is settled, or waits for another look."""
        _, delivery = self._under_way.pop(job)
        self._known.discard(delivery)
        self._offer(job)

    def hold(self, jobs: set[int]) -> None:
        """Only these jobs wait now for a run that failed before: nothing else of them goes."""
        released, self._held = self._held - jobs, jobs
        for job in released - self._under_way.keys():
            self._offer(job)

    def _is_free(self, lane: AnyLane, job: int) -> bool:
        return job not in self._under_way and (lane == TRIED or job not in self._held)

    def _take(self, lane: AnyLane) -> tuple[int, int]:
        delivery, job = heapq.heappop(self._heads[lane])
        line = self._lines[lane][job]
        line.popleft()
        if not line:
            del self._lines[lane][job]
        self._waiting[lane] -= 1
        self._under_way[job] = (lane, delivery)
        return delivery, job

    def _offer(self, job: int) -> None:
        """The first of a job's lines may go again; one that is offered twice goes once."""
        lanes = {lane for lane in self._lanes_of.pop(job, ()) if job in self._lines[lane]}
        for lane in lanes:
            heapq.heappush(self._heads[lane], (self._lines[lane][job][0], job))
        if lanes:
            self._lanes_of[job] = lanes
