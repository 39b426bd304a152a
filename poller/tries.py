"""Tries a request again where a moment may cure it, and never so often that it hurts."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from poller import backoff

STATUSES = frozenset({429, 502, 503, 504})
ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)
BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
METHODS = frozenset({"GET", "HEAD"})

FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
"""Seconds between two tries; a server that asks for more is left alone."""

SHARE, MOST_AT_ONCE = 0.25, 2.0
"""Tries again that each request earns, and those that may be saved up: whatever fails, a server
gets a quarter more requests than usual over time, and for the two of an idle poll at most four."""

LONGEST_RETRY_AFTER = 3600.0
MOST_OF_A_DATE = 100
"""Characters that are looked at."""


class Budget:
    """How many tries again are left."""

    def __init__(self) -> None:
        self._left = MOST_AT_ONCE

    def note_request(self) -> None:
        """A request that is no try again: it earns a share of one."""
        self._left = min(MOST_AT_ONCE, self._left + SHARE)

    def spend(self) -> bool:
        """Take one; False where none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Tries(httpx.AsyncBaseTransport):
    """A transport that tries a GET up to ``again`` times more, within one budget for all: with
    ``only_broken``, where a connection broke under it, whatever else the server has said."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, again: int, *, only_broken: bool = False
    ) -> None:
        self._transport = transport
        self._again = again
        self._statuses = frozenset() if only_broken else STATUSES
        self._errors = BROKEN if only_broken else ERRORS
        self._budget = Budget()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, or the error, of the last try."""
        again = self._again if request.method in METHODS else 0
        self._budget.note_request()
        failures = 0
        while True:
            wait = 0.0
            try:
                response = await self._transport.handle_async_request(request)
            except self._errors:
                failures += 1
                if failures > again or not self._budget.spend():
                    raise
            else:
                failures += 1
                if response.status_code not in self._statuses or failures > again:
                    return response
                wait = retry_after(response.headers) or 0.0
                if wait > LONGEST_WAIT or not self._budget.spend():
                    return response
                await response.aclose()
            jitter = random.random()  # noqa: S311 - spreads load, guards nothing
            usual = backoff.delay(failures, first=FIRST_WAIT, longest=LONGEST_WAIT, jitter=jitter)
            await asyncio.sleep(max(wait, usual))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """``Retry-After`` in seconds, 0 to 3,600; None when absent or nonsense.

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
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _epoch(date: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(date)
        # Without a zone it is UTC, as all dates of HTTP are.
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
