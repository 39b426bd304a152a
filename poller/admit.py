"""May a controller be asked for much now? One that was left alone is asked for one small thing
first.

Who asks for little, as `preview` does, need not ask here.
"""

from __future__ import annotations

from poller.ledger import Ledger
from poller.watched import Watched


async def admit(watched: Watched, ledger: Ledger, *, keep: bool = False) -> None:
    """Return when the controller answers, at once where it has. ``keep``: note that it is tried.

    What another process knew of it counts once. Raises LeftAlone where it is not to be tried yet,
    RemoteError where the try fails.
    """
    turns = watched.api.turns
    if not turns.resumed:
        turns.resume(ledger.breakers.get("controller", watched.name))
    if not turns.left_alone:
        return
    if not turns.is_due():
        raise turns.refusal()
    if keep:
        note_breaker(watched, ledger)
    await watched.api.probe()


def note_breaker(watched: Watched, ledger: Ledger) -> None:
    """Keep the controller's breaker for whoever looks, and for the next process. For the process
    that polls: another one would not come to close it again."""
    ledger.breakers.keep("controller", watched.name, watched.api.turns.breaker)
