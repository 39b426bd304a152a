"""Before anything that a controller says is used: is it the one that the ledger knows?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer, ForeignSession, NotFound
from poller.jenkins.client import JenkinsClient
from poller.jenkins.discovery import ItemTree, fetch_items
from poller.ledger.controllers import ControllerRow
from poller.polling.controller import Controller

SAMPLES = 3
"""Builds of jobs built last, and of jobs not built for longest, to know a Jenkins by."""


async def verified_items(
    controller: Controller, row: ControllerRow, *, first: bool = False
) -> ItemTree:
    """The item tree, of the Jenkins that the ledger knows: no more requests while it was not
    restarted. Raises BadAnswer when it is another Jenkins; RemoteError."""
    client = controller.client
    if row.session is not None:
        client.sessions.add(row.session)
    if client.met_foreign_session:
        await _verify_anew(controller, row)
    try:
        tree = await fetch_items(client, row.depth, first=first, globs=controller.globs)
    except ForeignSession:
        await _verify_anew(controller, row)
        return await fetch_items(client, row.depth, first=first, globs=controller.globs)
    if row.session != client.session and (
        row.session is None or client.session not in client.sessions
    ):
        await _verify(controller, row)
    return tree


async def _verify_anew(controller: Controller, row: ControllerRow) -> None:
    """The same Jenkins has another session: since a restart, or as one of several that share the
    work."""
    client = controller.client
    known, client.sessions = client.sessions, set()
    try:
        await _verify(controller, row)
    except BaseException:
        client.sessions = known
        raise
    client.sessions |= known
    client.met_foreign_session = False


async def _verify(controller: Controller, row: ControllerRow) -> None:
    samples = controller.ledger.jobs.samples(row.id, SAMPLES)
    identity = await identity_of(controller.client, row.identity, samples)
    controller.ledger.controllers.recognised(row.id, controller.client.session, identity)


async def ensure_reachable(controller: Controller, *, keep: bool = False) -> None:
    """Return when the controller answers, at once where it has. ``keep``: record that it is tried.

    What another process knew of it counts once. Raises CircuitOpen where it is not to be tried yet,
    RemoteError where the try fails.
    """
    limiter = controller.client.limiter
    if not limiter.resumed:
        limiter.resume(controller.ledger.breakers.get("controller", controller.name))
    if not limiter.circuit_open:
        return
    if not limiter.is_due():
        raise limiter.circuit_open_error()
    if keep:
        record_breaker(controller)
    await controller.client.probe()


def record_breaker(controller: Controller) -> None:
    """Keep the controller's breaker for `status`, and for the next process. Only polls and their
    like do so: a command may end before the breaker closes again."""
    breaker = controller.client.limiter.breaker
    controller.ledger.breakers.keep("controller", controller.name, breaker)


async def identity_of(
    client: JenkinsClient, known: str | None, samples: Sequence[tuple[str, BuildKey]]
) -> str | None:
    """The identity of the Jenkins that answers, None where it shows none.

    ``known`` is the identity that it had before; ``samples`` are builds by their job's name that
    it must have some of, where the identity doesn't say. Costs a request, and one a sample where
    that is needed. Raises BadAnswer when it is another Jenkins; RemoteError.
    """
    identity = await client.identity()
    if not samples or (identity is not None and identity == known):
        return identity
    if identity is not None and known is None:
        return identity
    if not has_one([(key, await _now(client, name, key)) for name, key in samples]):
        raise BadAnswer(
            client.where,
            "identity",
            "another Jenkins answers here: it has none of the builds that are known of this one",
            "does a proxy mix up two controllers? One that was set up anew needs another name here",
        )
    return identity


async def _now(client: JenkinsClient, full_name: str, key: BuildKey) -> BuildKey | None:
    try:
        return await client.build_key(full_name, key.number)
    except NotFound:
        return None


def has_one(pairs: Iterable[tuple[BuildKey, BuildKey | None]]) -> bool:
    """Whether any build is the same now as it is known."""
    return any(now is not None and known.is_same(now) for known, now in pairs)
