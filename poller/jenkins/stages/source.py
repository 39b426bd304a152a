"""What each plugin that knows stages is to us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from poller.core.errors import NotAsked, NotFound, RemoteError, Unreachable, is_away
from poller.core.tasks import together
from poller.jenkins.paths import MOST_DIGITS
from poller.jenkins.stage import StageTree

T = TypeVar("T")

UNANSWERED = 3
"""Builds of a job that get no answer, after which no more of it are asked for at once."""

AT_ONCE = 8
"""Builds of a job that are asked for at once, whatever ``max_connections`` is."""

MOST_ASKED = 300
"""Stages of one build that are asked for their steps one by one."""


TAIL_LIMIT = 2**20
"""Bytes of an answer that has the end of a log, which is 150 KiB at most, as a page maybe."""


EMPTY = "it is empty"
"""The reason of a NotFound for a log in which nothing was written."""


@dataclass(frozen=True)
class NodeLog:
    """The log of a step, or with ``step`` None of a stage: ids as Jenkins gave them."""

    full_name: str
    number: int
    stage: str
    step: str | None = None

    @property
    def what(self) -> str:
        """Its name in an error."""
        return f"log of node {self.node} of {self.full_name} #{self.number}"

    @property
    def node(self) -> str:
        """The id to ask for. Raises NotFound where it is none of Jenkins'."""
        node = self.stage if self.step is None else self.step
        if not (node.isascii() and node.isdecimal() and len(node) <= MOST_DIGITS):
            raise NotFound("Jenkins", f"{self.full_name} #{self.number}", "no id of a node")
        return node


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
        ``newest`` are the job's newest numbers. Raises RemoteError
        where the controller is away."""

    async def read_log(
        self, place: str, of: NodeLog, take: Callable[[bytes], None], seconds: float, /
    ) -> bool:
        """Hand the log of a step to ``take``, in at most ``seconds``: all of it, or its end in
        whole lines. False where it is too long for that. Raises NotFound where the plugin has
        none; RemoteError."""


async def each(
    numbers: Sequence[int], ask: Callable[[int], Awaitable[T]]
) -> dict[int, T | RemoteError]:
    """What ``ask`` gives for each number, or its error. After several without an answer the others
    are NotAsked, so that one job does not hold all connections. Raises RemoteError where the
    controller is away."""
    unanswered, at_once = 0, asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> T | RemoteError:
        nonlocal unanswered
        async with at_once:
            if unanswered >= UNANSWERED:
                return NotAsked("", f"#{number}", "not asked now: others of its job get no answer")
            try:
                return await ask(number)
            except RemoteError as error:
                if is_away(error):
                    raise
                unanswered += isinstance(error, Unreachable)
                return error

    return dict(zip(numbers, await together(one(number) for number in numbers), strict=True))
