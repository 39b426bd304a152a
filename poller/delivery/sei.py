"""The only code that talks HTTP to SEI. It sends; it decides nothing.

Source: Harness' "Custom CI/CD integrations" page, `POST {base}/custom-cicd`.
"""

from __future__ import annotations

import httpx

from poller.delivery.sink import Receipt
from poller.http.client import Connection, fetch, open_client
from poller.http.errors import HttpResponse
from poller.http.retry import retry_after

ANSWER_LIMIT = 256 * 1024
WHERE = "SEI"


class SeiClient:
    """SEI's API under one base URL. Methods raise Unreachable or BadAnswer when no answer comes;
    the status of an answer is for the caller."""

    def __init__(self, connection: Connection, key: str) -> None:
        self.base = connection.url.rstrip("/")
        self._runs = httpx.URL(f"{self.base}/custom-cicd")
        self._seconds = connection.timeout / 1000
        self._http = open_client(connection, credentials={"Authorization": f"ApiKey {key}"})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post_run(self, body: bytes) -> HttpResponse:
        """POST one job run (encoded JSON) to ``custom-cicd``."""
        return await self._fetch("POST", self._runs, "custom-cicd", body)

    async def instance(self, guid: str) -> HttpResponse:
        """GET ``cicd/instances/{guid}``: 404 and 405 are possible."""
        return await self._fetch("GET", f"{self.base}/cicd/instances/{guid}", "instance GUID")

    async def instances(self) -> HttpResponse:
        """GET ``cicd/instances``, which takes a POST: 405 where there is such an endpoint."""
        return await self._fetch("GET", f"{self.base}/cicd/instances", "instance GUIDs")

    async def new_instance(self, body: bytes) -> HttpResponse:
        """POST to ``cicd/instances``: makes an instance of an integration, and its GUID."""
        return await self._fetch("POST", f"{self.base}/cicd/instances", "new instance", body)

    async def _fetch(
        self, method: str, url: httpx.URL | str, what: str, body: bytes | None = None
    ) -> HttpResponse:
        request = self._http.request(
            method,
            url,
            content=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
        )
        return await fetch(
            self._http, request, where=WHERE, what=what, limit=ANSWER_LIMIT, seconds=self._seconds
        )


class SeiSink:
    """Sends runs to SEI."""

    name = "sei"

    def __init__(self, api: SeiClient, in_flight: int) -> None:
        self._api = api
        self.in_flight = in_flight

    async def send(self, payload: bytes) -> Receipt:
        """POST one run."""
        answer = await self._api.post_run(payload)
        return Receipt(
            answer.status, answer.body, retry_after(answer.headers),
            content_type=answer.headers.get("Content-Type", ""), address=self._api.base,
            location=answer.headers.get("Location", ""),
        )  # fmt: skip

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()
