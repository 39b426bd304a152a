"""Why the builds above a build started: each is asked for once, and remembered for builds that had
begun by then. For later ones it is asked again: its job may be another one of that name by now.

An upstream cause names a build and nothing of that build's own causes (measured).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from poller.core.errors import BadAnswer, RemoteError, Unreachable, is_away
from poller.core.times import Clock, now_ms
from poller.jenkins.build import Build
from poller.jenkins.client import JenkinsClient
from poller.mapping.causes import needed_causes, parents
from poller.mapping.evidence import UpstreamBuild

DEEPEST = 10
"""Levels above a build that are asked for."""

MOST = 30
"""Builds above a build that are asked for: one that many have triggered names them all."""

REMEMBERED = 4 * 1024 * 1024
"""Bytes a controller that its causes may take in memory: what triggers much is asked for once.
Those of some 4,000 builds, as most are."""

BUILD_BYTES, CAUSE_BYTES = 600, 400
"""What Python needs for one, beside its texts (measured)."""

MOST_AHEAD = 60_000
"""Milliseconds after the newest start that was seen: builds that one triggers begin together."""

Key = tuple[str, int]


@dataclass
class _Remembered:
    """When an upstream build began (epoch ms) and why, or that the answer is on its way. It holds
    for builds that began ``until`` then; ``size`` is in bytes."""

    answer: asyncio.Future[tuple[int, UpstreamBuild]]
    until: int
    size: int = 0


@dataclass(frozen=True)
class Ancestry:
    """The builds above, level by level. ``retry`` says what could not be asked for the moment,
    and is worth another try."""

    builds: tuple[UpstreamBuild, ...] = ()
    retry: str = ""


class UpstreamCauses:
    """The causes of one controller's builds."""

    def __init__(
        self, client: JenkinsClient, remembered: int = REMEMBERED, clock: Clock = now_ms
    ) -> None:
        self._client = client
        self._most = remembered
        self._clock = clock
        self._bytes = 0
        self._latest = 0
        self._remembered: OrderedDict[Key, _Remembered] = OrderedDict()

    async def of(self, full_name: str, build: Build) -> Ancestry:
        """The builds above a build of the job, at most 10 levels, none twice.

        One that is gone or forbidden ends its branch of the chain.
        """
        self._latest = max(self._latest, build.timestamp)
        seen: set[Key] = {(full_name, build.number)}
        found: list[UpstreamBuild] = []
        level = _fresh(parents(needed_causes(build.actions)), seen)
        for _ in range(DEEPEST):
            level = level[: MOST - len(found)]
            answers = await asyncio.gather(
                *(self._origin(key, build.timestamp) for key in level), return_exceptions=True
            )
            above: list[Key] = []
            for key, answer in zip(level, answers, strict=True):
                if isinstance(answer, Unreachable | BadAnswer) and not is_away(answer):
                    return Ancestry(tuple(found), str(answer))
                if isinstance(answer, BaseException):
                    raise answer
                began, one = answer
                if began > build.timestamp:
                    # Of a job that was deleted and created anew since: it counts from 1 again.
                    one = UpstreamBuild(*key, (), "another build by now")
                found.append(one)
                above += parents(one.causes)
            level = _fresh(above, seen)
            if not level:
                break
        return Ancestry(tuple(found))

    async def _origin(self, key: Key, started: int) -> tuple[int, UpstreamBuild]:
        """What Jenkins says of a build above one that ``started`` then. Raises Unreachable,
        BadAnswer, CircuitOpen."""
        known = self._remembered.get(key)
        if known is not None and started <= known.until:
            self._remembered.move_to_end(key)
            return await asyncio.shield(known.answer)
        self._forget(key)
        one = _Remembered(asyncio.get_running_loop().create_future(), self._until(started))
        self._remembered[key] = one
        try:
            found = await self._ask(key)
        except BaseException as error:
            # Whoever waits for the same answer gets the same error; the next one asks again.
            if self._remembered.get(key) is one:
                self._forget(key)
            if isinstance(error, RemoteError):
                one.answer.set_exception(error)
                one.answer.exception()
            else:
                one.answer.cancel()
            raise
        one.answer.set_result(found)
        if self._remembered.get(key) is one:
            one.size = size(found[1])
            self._bytes += one.size
        while self._bytes > self._most:
            self._forget(next(iter(self._remembered)))
        return found

    def _until(self, started: int) -> int:
        """Builds that began by then have what is asked for now above them. Neither our clock alone
        says so, which may be ahead of Jenkins', nor a start alone, which may be in the future."""
        return max(started, min(self._clock(), self._latest + MOST_AHEAD))

    def _forget(self, key: Key) -> None:
        if (one := self._remembered.pop(key, None)) is not None:
            self._bytes -= one.size

    async def _ask(self, key: Key) -> tuple[int, UpstreamBuild]:
        try:
            found = await self._client.origin(*key)
        except RemoteError as error:
            if isinstance(error, Unreachable | BadAnswer) or is_away(error):
                raise  # a page to log in today may be the answer tomorrow
            return 0, UpstreamBuild(*key, (), str(error))
        one = UpstreamBuild(*key, needed_causes(found.actions), started=found.timestamp)
        return found.timestamp, one


def size(build: UpstreamBuild) -> int:
    """Bytes in memory, about."""
    values = (value for cause in build.causes for value in cause.values())
    texts = sum(len(value) for value in values if isinstance(value, str))
    return BUILD_BYTES + len(build.causes) * CAUSE_BYTES + len(build.job + build.ended) + texts


def _fresh(keys: Sequence[Key], seen: set[Key]) -> list[Key]:
    """Those not yet seen, which are seen then."""
    fresh = [key for key in dict.fromkeys(keys) if key not in seen]
    seen.update(fresh)
    return fresh
