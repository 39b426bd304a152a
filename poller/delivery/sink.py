"""Where job runs go: one small protocol, one module a sink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Receipt:
    """What the receiver answered: an HTTP status, its words, and ``Retry-After`` in seconds;
    ``hint`` is what the status says to a user, where the sink knows better than its caller."""

    status: int
    answer: str = ""
    retry_after: float | None = None
    hint: str = ""


class Sink(Protocol):
    """Takes one encoded job run at a time, or what it is sent instead of one."""

    name: str
    in_flight: int
    """How many runs may be under way at once."""

    async def send(self, payload: bytes) -> Receipt:
        """Hand over one run. Raises RemoteError when there was no answer."""

    async def aclose(self) -> None:
        """Let go of what it holds."""
