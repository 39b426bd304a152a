"""Before anything is believed of a controller: is it the one that the ledger knows?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer, NotFound
from poller.jenkins.client import JenkinsClient
from poller.ledger.controllers import ControllerRow
from poller.polling.controller import Controller

SAMPLES = 3
"""Builds of jobs built last, and of jobs not built for longest, that tell a Jenkins by."""


async def verify_identity(controller: Controller, row: ControllerRow) -> None:
    """Make sure of it after a look: no request while Jenkins has not been started anew.

    Raises BadAnswer when it is another Jenkins; RemoteError.
    """
    if row.session == controller.client.session:
        return
    samples = controller.ledger.jobs.samples(row.id, SAMPLES)
    identity = await identity_of(controller.client, row.identity, samples)
    controller.ledger.controllers.recognised(row.id, controller.client.session, identity)


async def ensure_reachable(controller: Controller, *, keep: bool = False) -> None:
    """Return when the controller answers, at once where it has. ``keep``: note that it is tried.

    What another process knew of it counts once. Raises LeftAlone where it is not to be tried yet,
    RemoteError where the try fails.
    """
    turns = controller.client.turns
    if not turns.resumed:
        turns.resume(controller.ledger.breakers.get("controller", controller.name))
    if not turns.left_alone:
        return
    if not turns.is_due():
        raise turns.refusal()
    if keep:
        record_breaker(controller)
    await controller.client.probe()


def record_breaker(controller: Controller) -> None:
    """Keep the controller's breaker for whoever looks, and for the next process. For the process
    that polls: another one would not come to close it again."""
    controller.ledger.breakers.keep("controller", controller.name, controller.client.turns.breaker)


async def identity_of(
    api: JenkinsClient, known: str | None, samples: Sequence[tuple[str, BuildKey]]
) -> str | None:
    """The identity of the Jenkins that answers, None where it shows none.

    ``known`` is the identity that it had before; ``samples`` are builds by their job's name that
    it must have some of, where the identity doesn't say. Costs a request, and one a sample where
    that is needed. Raises BadAnswer when it is another Jenkins; RemoteError.
    """
    identity = await api.identity()
    if not samples or (identity is not None and identity == known):
        return identity
    if identity is not None and known is None:
        return identity
    if not has_one([(start, await _now(api, name, start)) for name, start in samples]):
        raise BadAnswer(
            api.where,
            "identity",
            "another Jenkins answers here: it has none of the builds that are known of this one",
            "does a proxy mix up two controllers? One that was set up anew needs another name here",
        )
    return identity


async def _now(api: JenkinsClient, full_name: str, start: BuildKey) -> BuildKey | None:
    try:
        return await api.start(full_name, start.number)
    except NotFound:
        return None


def has_one(pairs: Iterable[tuple[BuildKey, BuildKey | None]]) -> bool:
    """Whether any build is the same now as it is known."""
    return any(now is not None and known.is_same(now) for known, now in pairs)
