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


@dataclass
class InstanceCheck:
    """Asks SEI for the GUIDs of ``guids`` (controller: GUID): for each once a day where ``daily``,
    for those that it did not know every few minutes. ``wait``: what is queued of a controller that
    SEI does not know waits until it does."""

    client: SeiClient
    ledger: Ledger
    clock: Clock
    guids: Mapping[str, str]
    wait: bool
    daily: bool = False

    async def run(self) -> None:
        """Ask for each that was never asked for, and for one more that is due. Raises LedgerError.

        A controller that was never polled has nothing to send, and is not asked for.
        """
        known = self.ledger.controllers.guids()
        ours = {
            name: row
            for name, row in known.items()
            if name in self.guids and (self.daily or row["guid_problem"] is not None)
        }
        anew = [name for name, row in ours.items() if row["guid"] != self.guids[name]]
        due = sorted(
            (row["guid_asked_at"], name)
            for name, row in ours.items()
            if name not in anew and self._is_due(row)
        )
        proven = any(row["guid_known"] for row in known.values())
        for name in anew + [name for _, name in due[:1]]:
            await self._ask(name, proven=proven)

    def _is_due(self, row: Mapping[str, Any]) -> bool:
        unknown = row["guid_problem"] is not None
        age = self.clock() - row["guid_asked_at"]
        changed = bool(row["guid_waits"]) != (unknown and self.wait)
        return changed or not 0 <= age < (AGAIN_MS if unknown else DAY_MS)

    async def _ask(self, name: str, *, proven: bool) -> None:
        guid, at = self.guids[name], self.clock()
        problem = None
        try:
            answer = await self.client.instance(guid)
            state = guid_state(answer)
            if state == "unknown" and (proven or await self._can_tell()):
                problem = (
                    f"SEI does not know the instance GUID {guid}"
                    f" (HTTP {answer.status}: {words_of(answer.body)})"
                )
        except RemoteError:
            state = "unclear"
        if state == "unclear":
            at += HOUR_MS - DAY_MS  # ask again in an hour
        self.ledger.controllers.note_guid(
            name, guid, at, known=state == "known", problem=problem, waits=self.wait
        )

    async def _can_tell(self) -> bool:
        """Whether there is such an endpoint: a server says 404 to all that it does not have."""
        return (await self.client.instances()).status not in (404, 501)
