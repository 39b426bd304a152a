"""The default sink: SEI's ``custom-cicd``."""

from __future__ import annotations

from poller.http import retry_after
from poller.sei.api import Api
from poller.sinks import Receipt


class SeiSink:
    """Sends runs to SEI."""

    name = "sei"

    def __init__(self, api: Api, in_flight: int) -> None:
        self._api = api
        self.in_flight = in_flight

    async def send(self, payload: bytes) -> Receipt:
        """POST one run."""
        answer = await self._api.post_run(payload)
        text = answer.body.decode("utf-8", "replace")
        return Receipt(answer.status, text, retry_after(answer.headers))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()
