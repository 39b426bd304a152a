"""May a controller be asked now? One that was left alone is asked for one small thing first."""

from __future__ import annotations

from collections.abc import Callable

from poller.jenkins.api import Api


async def admit(api: Api, trying: Callable[[], None] = lambda: None) -> None:
    """Return when the controller answers, at once where it has. ``trying`` is told before the
    small request. Raises Unreachable where it does not, or is not to be tried yet; RemoteError
    where it answers with another error."""
    if not api.turns.left_alone:
        return
    if not api.turns.is_due():
        raise api.turns.refusal()
    trying()
    await api.probe()
