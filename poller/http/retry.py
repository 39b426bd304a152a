"""The only retry of HTTP requests, never so often that it hurts. aiohttp repeats nothing by itself
(:mod:`poller.http.transport`), and a POST is sent again by its outbox alone, which counts it."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from poller.core.events import Events
from poller.http.transport import IdleConnectionDropped

SHORTEST_WAIT, USUAL_WAIT, LONGEST_WAIT = 0.25, 0.5, 5.0
"""Seconds before a retry: between the first two, or as long as the server asks for. After one
that asks for more than the longest there is none."""

SHARE, MOST_AT_ONCE = 0.25, 2.0
"""Retries that each GET earns, and those that may be saved up: whatever fails, a server gets a
quarter more requests than usual over time, and for the two of an idle poll at most four."""

LONGEST_RETRY_AFTER = 86_400.0
"""Seconds: whoever asks for more does not mean it."""

MOST_OF_A_DATE = 100
"""Characters that are looked at."""


class RetryBudget:
    """How many retries are left."""

    def __init__(self) -> None:
        self._left = MOST_AT_ONCE

    def note_request(self) -> None:
        """A request that is no retry: it earns a share of one."""
        self._left = min(MOST_AT_ONCE, self._left + SHARE)

    def spend(self) -> bool:
        """Take one; False where none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class RetryTransport(httpx.AsyncBaseTransport):
    """A transport that sends a GET once more where its connection broke or its answer has one of
    ``statuses``, within one budget for all. Each attempt is a request of ``server``'s in
    ``events``."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        server: str,
        events: Events,
        statuses: Collection[int] = (),
    ) -> None:
        self._transport = transport
        self._server = server
        self._events = events
        self._statuses = statuses
        self._budget = RetryBudget()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, or the error, of the last attempt."""
        if request.method != "GET":
            return await self._attempt(request)
        self._budget.note_request()
        wait = random.uniform(SHORTEST_WAIT, USUAL_WAIT)  # noqa: S311 - spreads load, guards nothing
        try:
            response = await self._attempt(request)
        except IdleConnectionDropped:
            wait = 0.0  # a proxy drops them all at once: no sign of load, so no budget
        except httpx.ReadError:
            if not self._budget.spend():
                raise
        else:
            if response.status_code not in self._statuses:
                return response
            wait = max(wait, retry_after(response.headers) or 0.0)
            if wait > LONGEST_WAIT or not self._budget.spend():
                return response
            await response.aclose()
        await asyncio.sleep(wait)
        return await self._attempt(request)

    async def _attempt(self, request: httpx.Request) -> httpx.Response:
        status = None
        try:
            response = await self._transport.handle_async_request(request)
            status = response.status_code
            return response
        finally:
            self._events.request_done(self._server, request.url.path, status)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """``Retry-After`` in seconds, 0 to 86,400; None when absent, more, or nonsense.

    A date is measured from the answer's own ``Date``, as the server's clock need not be ours; where
    it has none, from ``now``, seconds since the epoch.
    """
    given = headers.get("Retry-After", "")[:MOST_OF_A_DATE]
    try:
        seconds = float(given)
    except ValueError:
        until = _epoch(given)
        if until is None:
            return None
        date = _epoch(headers.get("Date", "")[:MOST_OF_A_DATE])
        seconds = until - (now() if date is None else date)
    if math.isnan(seconds) or seconds > LONGEST_RETRY_AFTER:
        return None
    return max(seconds, 0.0)


def _epoch(date: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(date)
        # Without a zone it is UTC, as all dates of HTTP are.
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
