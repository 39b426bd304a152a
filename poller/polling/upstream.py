"""Why the builds above a build started: each is asked for once, and remembered.

An upstream cause names a build and nothing of that build's own causes (measured).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from poller.core.errors import BadAnswer, RemoteError, Unreachable, is_away
from poller.jenkins.build import Build, Origin
from poller.jenkins.client import JenkinsClient
from poller.mapping.causes import causes, parents
from poller.mapping.evidence import UpstreamBuild

DEEPEST = 10
"""Levels above a build that are asked for."""

MOST = 30
"""Builds above a build that are asked for: one that many have triggered names them all."""

REMEMBERED = 5_000
"""Builds a controller whose causes are kept in memory: what triggers much is asked for once."""

Key = tuple[str, int]


@dataclass(frozen=True)
class Ancestry:
    """The builds above, level by level. ``retry`` says what could not be asked for the moment,
    and is worth another try."""

    builds: tuple[UpstreamBuild, ...] = ()
    retry: str = ""


class UpstreamCauses:
    """The causes of one controller's builds."""

    def __init__(self, client: JenkinsClient, remembered: int = REMEMBERED) -> None:
        self._client = client
        self._most = remembered
        self._answers: OrderedDict[Key, asyncio.Future[Origin | str]] = OrderedDict()

    async def of(self, full_name: str, build: Build) -> Ancestry:
        """The builds above a build of the job, at most 10 levels, none twice.

        One that is gone or forbidden ends its branch of the chain.
        """
        seen: set[Key] = {(full_name, build.number)}
        found: list[UpstreamBuild] = []
        level = _fresh(parents(list(causes(build.actions))), seen)
        for _ in range(DEEPEST):
            level = level[: MOST - len(found)]
            answers = await asyncio.gather(
                *(self._origin(key) for key in level), return_exceptions=True
            )
            above: list[Key] = []
            for key, answer in zip(level, answers, strict=True):
                if isinstance(answer, Unreachable | BadAnswer) and not is_away(answer):
                    return Ancestry(tuple(found), str(answer))
                if isinstance(answer, BaseException):
                    raise answer
                one = _upstream_build(key, answer, build.timestamp)
                found.append(one)
                above += parents(one.causes)
            level = _fresh(above, seen)
            if not level:
                break
        return Ancestry(tuple(found))

    async def _origin(self, key: Key) -> Origin | str:
        """What Jenkins says of a build, or why it says nothing. Raises Unreachable, BadAnswer."""
        asked = self._answers.get(key)
        if asked is not None:
            self._answers.move_to_end(key)
            return await asyncio.shield(asked)
        answer: asyncio.Future[Origin | str] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)
        try:
            found = await self._ask(key)
        except BaseException as error:
            # Whoever waits for the same answer gets the same error; the next one asks again.
            self._answers.pop(key, None)
            if isinstance(error, RemoteError):
                answer.set_exception(error)
                answer.exception()
            else:
                answer.cancel()
            raise
        answer.set_result(found)
        return found

    async def _ask(self, key: Key) -> Origin | str:
        try:
            return await self._client.origin(*key)
        except RemoteError as error:
            if isinstance(error, Unreachable | BadAnswer) or is_away(error):
                raise  # a page to log in today may be the answer tomorrow
            return str(error)


def _fresh(keys: Sequence[Key], seen: set[Key]) -> list[Key]:
    """Those not yet seen, which are seen then."""
    fresh = [key for key in dict.fromkeys(keys) if key not in seen]
    seen.update(fresh)
    return fresh


def _upstream_build(key: Key, answer: Origin | str, started: int) -> UpstreamBuild:
    job, number = key
    if isinstance(answer, str):
        return UpstreamBuild(job, number, (), answer)
    if answer.timestamp > started:
        # Of a job that was deleted and created anew since: its builds count from 1 again.
        return UpstreamBuild(job, number, (), "another build by now")
    return UpstreamBuild(job, number, tuple(causes(answer.actions)))
