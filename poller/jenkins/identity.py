"""Whether the Jenkins that answers is the one that the ledger knows: a proxy that mixes up two
controllers must not make one's builds the other's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poller.errors import BadAnswer, NotFound
from poller.jenkins.api import Api
from poller.watermark import Start


async def identified(
    api: Api, known: str | None, samples: Sequence[tuple[str, Start]]
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


async def _now(api: Api, full_name: str, start: Start) -> Start | None:
    try:
        return await api.start(full_name, start.number)
    except NotFound:
        return None


def has_one(pairs: Iterable[tuple[Start, Start | None]]) -> bool:
    """Whether any build is the same now as it is known."""
    return any(now is not None and known.is_same(now) for known, now in pairs)
