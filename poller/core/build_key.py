"""The key of a build: what distinguishes it from every other one."""

from __future__ import annotations

from typing import NamedTuple

MOST_BUILDS = 2**31 - 1
"""Jenkins counts builds with Java's int."""


class BuildKey(NamedTuple):
    """A build's number, when it started (epoch milliseconds; 0 where Jenkins loaded it broken), and
    its place in Jenkins' queue (0 where it is not known).

    A pipeline that resumes after a restart keeps number and start and gets another ``queueId``
    (measured), so that this one proves nothing against a build.
    """

    number: int
    timestamp: int
    queue_id: int = 0

    def is_same(self, other: BuildKey) -> bool:
        """Whether both are one build of a job; a missing timestamp proves nothing."""
        return self.number == other.number and not self.differs(other)

    def differs(self, other: BuildKey) -> bool:
        """Whether two builds of one number of a job are surely two builds."""
        return self.timestamp > 0 < other.timestamp and self.timestamp != other.timestamp
