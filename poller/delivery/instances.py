"""Whether SEI knows our controllers' instance GUIDs: it takes runs of any, and drops those of one
that it does not know.

Source: ``register``'s endpoint ``cicd/instances``, and ``GET cicd/instances/{guid}`` beside it. A
receiver without them can't be asked, and gets its runs all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from poller.core.errors import RemoteError
from poller.core.times import DAY_MS, HOUR_MS, Clock
from poller.delivery.answer import is_yes, words_of
from poller.delivery.sei import SeiClient
from poller.http.errors import HttpResponse
from poller.ledger import Ledger

AGAIN_MS = 300_000
"""How soon one that is unknown is asked for again: somebody may just be registering it."""

GuidState = Literal["known", "unknown", "unclear"]


def guid_state(answer: HttpResponse) -> GuidState:
    """What SEI says of a GUID. An ingress in its place says 404, too, but not in JSON. Pure."""
    if 200 <= answer.status < 300:
        return "known" if is_yes(answer.body) else "unclear"
    is_json = answer.body.lstrip()[:1] == b"{"
    return "unknown" if answer.status == 404 and is_json else "unclear"


async def can_tell(client: SeiClient) -> bool:
    """Whether SEI has such an endpoint: a server says 404 to all that it does not have. Raises
    RemoteError."""
    return (await client.instances()).status not in (404, 501)


@dataclass(frozen=True)
class InstanceCheck:
    """Asks SEI for the GUIDs of ``guids`` (controller: GUID). ``wait``: what is queued of a
    controller that SEI does not know waits until it does."""

    client: SeiClient
    ledger: Ledger
    clock: Clock
    guids: Mapping[str, str]
    wait: bool

    async def run(self, *, daily: bool) -> None:
        """Ask for each once a day, and every few minutes for those that SEI does not know; without
        ``daily`` for the latter alone. Raises LedgerError."""
        known = self.ledger.controllers.instances()
        proven = any(row["known"] for row in known.values())
        for name, guid in self.guids.items():
            row = known.get(name)
            if daily if row is None else self._is_due(row, guid, daily=daily):
                proven = await self._ask(name, proven=proven) or proven

    def _is_due(self, row: Mapping[str, Any], guid: str, *, daily: bool) -> bool:
        unknown = row["problem"] is not None
        if row["guid"] != guid or bool(row["waits"]) != (unknown and self.wait):
            return daily or unknown
        age = self.clock() - row["asked_at"]
        return (daily or unknown) and not 0 <= age < (AGAIN_MS if unknown else DAY_MS)

    async def _ask(self, name: str, *, proven: bool) -> bool:
        """Whether SEI knows it."""
        guid, at, problem = self.guids[name], self.clock(), None
        try:
            answer = await self.client.instance(guid)
            state = guid_state(answer)
            if state == "unknown" and (proven or await can_tell(self.client)):
                said = f"HTTP {answer.status}: {words_of(answer.body)}"
                problem = f"SEI does not know the instance GUID {guid} ({said})"
        except RemoteError:
            state = "unclear"
        if state == "unclear":
            at += HOUR_MS - DAY_MS  # ask again in an hour
        self.ledger.controllers.note_instance(
            name, guid, at, known=state == "known", problem=problem, waits=self.wait
        )
        return state == "known"
