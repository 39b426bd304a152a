"""Is it the question that can't be answered, or is the whole controller away?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from poller.core.errors import RemoteError, Unreachable

GATEWAY = (502, 503, 504)
"""Statuses that may say something of the whole controller, whatever was asked."""

SMALLEST = ("api/json", {"tree": "mode"})
"""Path and parameters of the smallest question that Jenkins answers itself: one value, of no
item."""


class AwayProbe:
    """Finds out by ``ask``, which asks the smallest question. Those that wonder at the same time
    share one."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[bool] | None = None

    async def is_away(self, error: Unreachable, path: str) -> bool:
        """Whether an error at ``path`` is no matter of the question."""
        if error.away:
            return True
        if path.startswith("job/") and error.status not in (*GATEWAY, None):
            return False  # a job that Jenkins can't export is answered with 500, by Jenkins
        if self._asking is None:
            self._asking = asyncio.create_task(self._unanswered())
            self._asking.add_done_callback(self._done)
        return await asyncio.shield(self._asking)

    async def _unanswered(self) -> bool:
        try:
            await self._ask()
        except Unreachable:
            return True
        except RemoteError:
            pass  # it answers, whatever it is
        return False

    def _done(self, _: asyncio.Task[bool]) -> None:
        self._asking = None
