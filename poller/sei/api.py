"""The only code that talks HTTP to SEI. It asks; it decides nothing.

Source: Harness' "Custom CI/CD integrations" page, `POST {base}/custom-cicd`.
"""

from __future__ import annotations

import asyncio

import httpx

from poller import http
from poller.rate import Pace

ANSWER_LIMIT = 256 * 1024
WHERE = "SEI"


class Api:
    """SEI's API under one base URL. Methods raise Unreachable or BadAnswer when no answer comes;
    the status of an answer is for the caller."""

    def __init__(self, connection: http.Connection, key: str, *, request_rate: float) -> None:
        self._base = connection.url.rstrip("/")
        self._runs = httpx.URL(f"{self._base}/custom-cicd")
        self._seconds = connection.timeout / 1000
        self._http = http.client(connection, credentials={"Authorization": f"ApiKey {key}"})
        self._pace = Pace(request_rate, asyncio.get_running_loop().time)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post_run(self, body: bytes) -> http.Answer:
        """POST one job run (encoded JSON) to ``custom-cicd``."""
        return await self._ask("POST", self._runs, "custom-cicd", body)

    async def instance(self, guid: str) -> http.Answer:
        """GET ``cicd/instances/{guid}``: 404 and 405 are possible."""
        return await self._ask("GET", f"{self._base}/cicd/instances/{guid}", "instance GUID")

    async def new_instance(self, body: bytes) -> http.Answer:
        """POST to ``cicd/instances``: makes an instance of an integration, and its GUID."""
        return await self._ask("POST", f"{self._base}/cicd/instances", "new instance", body)

    async def _ask(
        self, method: str, url: httpx.URL | str, what: str, body: bytes | None = None
    ) -> http.Answer:
        await self._pace.turn()
        request = self._http.request(
            method,
            url,
            content=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
        )
        return await http.ask(
            self._http, request, where=WHERE, what=what, limit=ANSWER_LIMIT, seconds=self._seconds
        )
