"""The stage trees of a controller's builds, from whichever of its plugins gives them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property

from poller.core.errors import BadAnswer, NotFound, RemoteError, Unauthorized, is_away
from poller.core.times import Clock, now_ms
from poller.jenkins.build import Build
from poller.jenkins.client import JenkinsClient
from poller.jenkins.stage import PIPELINE_RUN, StageTree
from poller.jenkins.stages.blue_ocean import BlueOcean
from poller.jenkins.stages.graph_view import GraphView
from poller.jenkins.stages.source import NodeLog, StageSource
from poller.jenkins.stages.wfapi import Wfapi
from poller.ledger import Ledger

AUTO = "auto"
SOURCES = (Wfapi, GraphView, BlueOcean)
"""In the order in which they are tried: wfapi has ten builds in one request."""

GONE = "stages: the build is gone"
NOT_INSTALLED = "not installed"

FORBIDDEN = 403

TRIED = 3
"""Builds that a source is tried with: one alone may be an odd one."""


class StageTrees:
    """One controller's. Which plugin answers is found with the first builds of a pipeline, kept in
    the ledger where there is one, and looked for again when Jenkins has started anew.

    ``setting`` is ``auto``, the key of a source, or ``none``.
    """

    def __init__(
        self,
        client: JenkinsClient,
        setting: str = AUTO,
        name: str = "",
        ledger: Ledger | None = None,
        clock: Clock = now_ms,
    ) -> None:
        self._client = client
        self._setting = setting
        self._name = name
        self._ledger = ledger
        self._clock = clock
        made: Iterable[StageSource] = (kind(client) for kind in SOURCES)
        self.sources = [one for one in made if setting in (AUTO, one.key)]
        self.absent: dict[str, str] = {}
        """By key of a source, why it is not there."""
        self._places: dict[str, str] = {}
        self._session: str | None = None
        self._noted: tuple[str, str, str] | None = None
        self._lock = asyncio.Lock()

    @cached_property
    def without_ledger(self) -> StageTrees:
        """The same, for a command that is to change nothing."""
        return StageTrees(self._client, self._setting)

    async def of(
        self, full_name: str, builds: Iterable[Build], newest: Collection[int] = ()
    ) -> dict[int, StageTree | str | RemoteError]:
        """By number, of each of the builds that has stages: its tree; the reason why no source has
        one; or the error after which to ask again. Raises RemoteError where the
        controller is away.

        ``newest`` are the job's newest numbers: some trees can be had of those at once.
        """
        left = [build.number for build in builds if build.cls == PIPELINE_RUN]
        if not left or not self.sources:
            return {}
        self._recall()
        found: dict[int, StageTree | str | RemoteError] = {}
        why: dict[int, list[str]] = {number: [] for number in left}
        for source in sorted(self.sources, key=lambda one: one.key not in self._places):
            got = await self._ask(source, full_name, left, newest)
            for number in left:
                one = got.get(number)
                if one is None:
                    why[number].append(f"{source.name}: {self.absent.get(source.key)}")
                elif isinstance(one, RemoteError) and _cannot(one):
                    gone = isinstance(one, NotFound) and await self._missing(full_name, number)
                    if gone:
                        found[number] = gone
                    why[number].append(f"{source.name}: {one.reason}")
                else:
                    found[number] = one
            place = self._places.get(source.key)
            if place and any(isinstance(got.get(number), StageTree) for number in left):
                self._note(source.key, place)
            left = [number for number in left if number not in found]
            if not left:
                return found
        if len(self.absent) == len(self.sources):
            self._note("", self._setting)
        return found | {number: f"stages: {'; '.join(why[number])}" for number in left}

    async def read_log(
        self, tree: StageTree, of: NodeLog, take: Callable[[bytes], None], seconds: float
    ) -> tuple[str, bool]:
        """Hand the log of a step of the tree to ``take``; see :class:`StageSource`. The key of
        whoever gave it, and whether it is all. Raises NotFound where nobody has it; RemoteError."""
        for source in self.sources:
            place = self._places.get(source.key)
            if source.name == tree.source and place is not None:
                return source.key, await source.read_log(place, of, take, seconds)
        raise NotFound(self._client.where, of.what, "no plugin has it")

    async def _ask(
        self, source: StageSource, full_name: str, numbers: Sequence[int], newest: Collection[int]
    ) -> dict[int, StageTree | RemoteError]:
        """What the source says of the builds; nothing where it is not there."""
        got: dict[int, StageTree | RemoteError] = {}
        if source.key not in self._places:
            async with self._lock:
                if source.key not in self._places and source.key not in self.absent:
                    got = await self._find(source, full_name, numbers, newest)
        place = self._places.get(source.key)
        if place is not None and (left := [number for number in numbers if number not in got]):
            got.update(await source.trees(place, full_name, left, newest))
        return got

    async def _find(
        self, source: StageSource, full_name: str, numbers: Sequence[int], newest: Collection[int]
    ) -> dict[int, StageTree | RemoteError]:
        """Look for the place where the source answers; what it said of some of the builds, or the
        error after which to look again, of all."""
        tried = numbers[-TRIED:]
        error: RemoteError = NotFound(self._client.where, source.name, "it has no organization")
        try:
            for place in await source.places():
                got = dict(await source.trees(place, full_name, tried, newest))
                errors = [one for one in got.values() if isinstance(one, RemoteError)]
                later = next((one for one in errors if not _cannot(one)), None)
                if later is not None and len(errors) == len(got):
                    return dict.fromkeys(numbers, later) | got
                if len(errors) < len(got) or not all(isinstance(one, NotFound) for one in errors):
                    self._places[source.key] = place
                    return got
                error = errors[-1]
        except RemoteError as raised:
            if is_away(raised):
                raise
            if not _cannot(raised):
                return dict.fromkeys(numbers, raised)
            error = raised
        for number in tried:
            missing = await self._missing(full_name, number)
            if missing is None:
                if self._session != (self._client.session or ""):
                    break  # it was another Jenkins that did not have it
                self.absent[source.key] = _plainly(error)
                return {}
            if isinstance(missing, RemoteError):
                return dict.fromkeys(numbers, missing)
        return dict.fromkeys(numbers, error)

    async def _missing(self, full_name: str, number: int) -> str | RemoteError | None:
        """None where the build is there; else why it has no stages, or the error after which to
        ask again."""
        try:
            await self._client.build_key(full_name, number)
        except NotFound:
            return GONE
        except RemoteError as error:
            if is_away(error):
                raise
            return error
        return None

    def _recall(self) -> None:
        """Forget what was said before Jenkins started anew; go on with what the ledger knows."""
        session = self._client.session or ""
        if session == self._session:
            return
        self._session, self._noted = session, None
        self._places.clear()
        self.absent.clear()
        row = self._ledger.stage_sources.find(self._name) if self._ledger else None
        if row is None or not session or row.session != session:
            return
        self._noted = (row.source, row.place, session)
        if any(row.source == source.key for source in self.sources):
            self._places[row.source] = row.place
        elif not row.source and row.place == self._setting:
            self.absent.update(dict.fromkeys((one.key for one in self.sources), NOT_INSTALLED))

    def _note(self, source: str, place: str) -> None:
        noted = (source, place, self._session or "")
        if self._ledger is not None and noted != self._noted:
            self._ledger.stage_sources.note(self._name, *noted, at=self._clock())
            self._noted = noted


def _cannot(one: RemoteError) -> bool:
    """The source has no tree of the build, and will have none."""
    return isinstance(one, NotFound | BadAnswer) or (
        isinstance(one, Unauthorized) and one.status == FORBIDDEN
    )


def _plainly(error: RemoteError) -> str:
    return NOT_INSTALLED if error.reason == "HTTP 404" else error.reason
