"""The key of a build: what distinguishes it from every other one."""

from __future__ import annotations

from typing import NamedTuple


class BuildKey(NamedTuple):
    """A build's number, when it started (epoch milliseconds; 0 where Jenkins loaded it broken), and
    its place in Jenkins' queue (0 where it is not known).

    ``queueId`` counts through the life of a controller; builds of before core 1.601 have -1.
    """

    number: int
    timestamp: int
    queue_id: int = 0

    def is_same(self, other: BuildKey) -> bool:
        """Whether both are one build; a missing timestamp or queue id proves nothing."""
        return self.number == other.number and not self.differs(other)

    def differs(self, other: BuildKey) -> bool:
        """Whether two builds of one number are surely two builds."""
        return (self.timestamp > 0 < other.timestamp and self.timestamp != other.timestamp) or (
            self.queue_id > 0 < other.queue_id and self.queue_id != other.queue_id
        )
