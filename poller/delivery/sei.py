"""The only code that talks HTTP to SEI. It sends; it decides nothing.

Sources: Harness' "Custom CI/CD integrations" page, `POST {base}/custom-cicd`; and for runs with
logs, where the config asks for it, SEI's Jenkins plugin, `POST {base}/generic-requests/multipart`.
"""

from __future__ import annotations

import httpx

from poller.delivery.failed_logs.plugin_form import PluginForm
from poller.delivery.failed_logs.sending import SEI, FailedLogs, WithoutLogs
from poller.delivery.sink import Receipt
from poller.http.client import Connection, fetch, open_client
from poller.http.errors import HttpResponse
from poller.http.retry import retry_after
from poller.ledger.deliveries.queue import QueuedDelivery

ANSWER_LIMIT = 256 * 1024
WHERE = "SEI"


class SeiClient:
    """SEI's API under one base URL. Methods raise Unreachable or BadAnswer when no answer comes;
    the status of an answer is for the caller."""

    def __init__(self, connection: Connection, key: str) -> None:
        self.base = connection.url.rstrip("/")
        self._runs = httpx.URL(f"{self.base}/custom-cicd")
        self._as_plugin = {"Accept": "application/json", "Authorization": f"Apikey {key}"}
        self._seconds = connection.timeout / 1000
        self._http = open_client(connection, credentials={"Authorization": f"ApiKey {key}"})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post_run(self, body: bytes) -> HttpResponse:
        """POST one job run (encoded JSON) to ``custom-cicd``."""
        return await self._fetch("POST", self._runs, "custom-cicd", body)

    async def post_form(self, form: PluginForm) -> HttpResponse:
        """POST one run with its logs to ``generic-requests/multipart``."""
        where, headers = "generic-requests/multipart", {"Content-Type": form.content_type}
        request = self._http.request(
            "POST", f"{self.base}/{where}", content=form.body, headers=self._as_plugin | headers
        )
        return await self._answer(request, where)

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
        return await self._answer(request, what)

    async def _answer(self, request: httpx.Request, what: str) -> HttpResponse:
        return await fetch(
            self._http, request, where=WHERE, what=what, limit=ANSWER_LIMIT, seconds=self._seconds
        )


class SeiSink:
    """Sends runs to SEI; with ``logs``, those of failed builds with them, where SEI takes that."""

    name = SEI

    def __init__(self, api: SeiClient, in_flight: int, logs: FailedLogs | None = None) -> None:
        self._api = api
        self.in_flight = in_flight
        self._logs = logs

    async def send(self, delivery: QueuedDelivery) -> Receipt:
        """POST one run."""
        without = WithoutLogs()
        if self._logs is not None:
            sent = await self._logs.send(delivery, self._post_form)
            if isinstance(sent, Receipt):
                return sent
            without = sent
        answer = await self._api.post_run(delivery.payload)
        if self._logs is not None and 200 <= answer.status < 300:
            self._logs.note_taken(without)
        return _receipt(answer, self._api.base, without.why)

    async def _post_form(self, form: PluginForm) -> Receipt:
        # Without an address: how the one endpoint says yes says nothing of the other.
        return _receipt(await self._api.post_form(form))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _receipt(answer: HttpResponse, address: str = "", without_logs: str = "") -> Receipt:
    return Receipt(
        answer.status, answer.body, retry_after(answer.headers), address=address,
        content_type=answer.headers.get("Content-Type", ""), without_logs=without_logs,
        location=answer.headers.get("Location", ""),
    )  # fmt: skip
