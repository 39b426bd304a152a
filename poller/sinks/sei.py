"""The default sink: SEI's ``custom-cicd``."""

from __future__ import annotations

from poller import http
from poller.errors import BadAnswer
from poller.sei.api import WHERE, Api
from poller.sinks import Receipt
from poller.tries import retry_after


class SeiSink:
    """Sends runs to SEI."""

    name = "sei"

    def __init__(self, api: Api, in_flight: int) -> None:
        self._api = api
        self.in_flight = in_flight

    async def send(self, payload: bytes) -> Receipt:
        """POST one run. Raises BadAnswer for a 2xx that can't be SEI's: it has not got the run."""
        answer = await self._api.post_run(payload)
        if 200 <= answer.status < 300 and is_page(answer):
            hint = "is base_url right, and is there a proxy on the way?"
            raise BadAnswer(WHERE, "custom-cicd", f"HTTP {answer.status} and a web page", hint)
        text = answer.body.decode("utf-8", "replace")
        return Receipt(answer.status, text, retry_after(answer.headers))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def is_page(answer: http.Answer) -> bool:
    """Whether it is a web page, such as a proxy's to log in; no API has any."""
    kind = answer.headers.get("Content-Type", "").lower()
    return "html" in kind or answer.body[:1000].lstrip().startswith(b"<")
