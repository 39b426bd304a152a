"""What each plugin that knows stages is to us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from poller.core.errors import CircuitOpen, RemoteError
from poller.core.tasks import together
from poller.jenkins.stage import StageTree

T = TypeVar("T")

MOST_ASKED = 300
"""Stages of one build that are asked for their steps one by one."""


class StageSource(Protocol):
    """One plugin on one controller. ``key`` is its name in the config, ``name`` the one for
    people, ``plugin`` what is to be installed."""

    key: str
    name: str
    plugin: str

    async def places(self) -> Sequence[str]:
        """Where it may answer, the most likely first. Raises NotFound where it is not there."""

    async def trees(
        self, place: str, full_name: str, numbers: Sequence[int], newest: Collection[int], /
    ) -> Mapping[int, StageTree | RemoteError]:
        """The tree of each of the builds, maybe of others, too, or why there is none: NotFound
        where the plugin, or the build, is not there; BadAnswer where this build has none.
        ``newest`` are the job's newest numbers. Raises CircuitOpen."""


async def each(
    numbers: Sequence[int], ask: Callable[[int], Awaitable[T]]
) -> dict[int, T | RemoteError]:
    """What ``ask`` gives for each number, or its error. Raises CircuitOpen."""

    async def one(number: int) -> T | RemoteError:
        try:
            return await ask(number)
        except CircuitOpen:
            raise
        except RemoteError as error:
            return error

    return dict(zip(numbers, await together(one(number) for number in numbers), strict=True))
