"""A second sink: executions of IaCM workspaces."""

from __future__ import annotations

import msgspec

from poller.core.errors import BadAnswer, NotFound
from poller.delivery.answer import TEMPORARY
from poller.delivery.iacm_client import WHERE, IacmClient, is_object, meaning
from poller.delivery.sink import Receipt
from poller.http.front_door import login_page
from poller.http.retry import retry_after
from poller.ledger.deliveries.queue import QueuedDelivery
from poller.mapping.iacm_execution import NewExecution

NAME = "iacm"

MAYBE_THERE = (400, 409, 412)
"""What may be the answer to an execution that is there already: its first answer was lost."""

NO_WORKSPACE = 412


class IacmSink:
    """Records executions, one request at a time."""

    name = NAME
    in_flight = 1

    def __init__(self, api: IacmClient) -> None:
        self._api = api

    async def send(self, delivery: QueuedDelivery) -> Receipt:
        """POST one execution. Raises BadAnswer for a 2xx that can't be the API's: a login page."""
        payload = delivery.payload
        answer = await self._api.create(payload)
        if 200 <= answer.status < 300 and answer.body.strip() and not is_object(answer.body):
            page = login_page(answer.headers, answer.body)
            hint = page.hint if page else "is the url right, and is there a proxy on the way?"
            raise BadAnswer(WHERE, "new execution", f"HTTP {answer.status} and no JSON", hint)
        if answer.status in MAYBE_THERE and await self._is_there(payload):
            return Receipt(200)  # it was there already
        if 200 <= answer.status < 300:
            return Receipt(answer.status)  # its body tells how the execution ended
        return Receipt(
            answer.status, answer.body, retry_after(answer.headers), _hint(answer.status),
            of_the_run=answer.status == NO_WORKSPACE, location=answer.headers.get("Location", ""),
        )  # fmt: skip

    async def _is_there(self, payload: bytes) -> bool:
        sent = msgspec.json.decode(payload, type=NewExecution)
        try:
            found = await self._api.get(sent.pipeline_execution_id, sent.pipeline_stage_id)
        except (NotFound, BadAnswer):
            return False
        return found.pipeline_execution_id == sent.pipeline_execution_id

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _hint(status: int) -> str:
    """What a status says to a user that does not pass by itself."""
    return meaning(status) if status < 500 and status not in TEMPORARY else ""
