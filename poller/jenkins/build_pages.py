"""Pages of a job's builds that survive one bad build.

What can't be had as a whole is asked for in halves, down to one build; that one by its number, then
with the fewest fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from poller.core.errors import BadAnswer, NotFound, RemoteError
from poller.jenkins.answers import worth_splitting
from poller.jenkins.build import BUILD_TREE, SUMMARY_TREE, Build
from poller.jenkins.build_values import BuildFault, ReadBuild, read_build, read_page
from poller.jenkins.client import JenkinsClient

MOST_FAILED = 24
"""Requests for one page that may fail: one bad build in 100 costs nine. After them the other builds
are had with the fewest fields."""


@dataclass(frozen=True)
class BuildPage:
    """``builds``, newest first: those with a fault have what could be had. ``faults`` by number.
    ``unreadable`` are numbers that are there, but not even the fewest fields of them, and why.
    ``nameless`` builds had no number and are left out."""

    builds: list[Build]
    faults: Mapping[int, BuildFault] = field(default_factory=dict)
    unreadable: Mapping[int, str] = field(default_factory=dict)
    nameless: int = 0


async def newest_builds(client: JenkinsClient, full_name: str, count: int) -> BuildPage:
    """The ``count`` newest builds, at most 100 whatever is asked. Raises RemoteError where nothing
    of them can be had."""
    return await _page(_PageReader(client, full_name, "builds"), 0, count)


async def builds_at(client: JenkinsClient, full_name: str, first: int, last: int) -> BuildPage:
    """The builds at the places ``first`` to ``last`` - 1 of the whole history, which Jenkins loads.
    Raises RemoteError where nothing of them can be had."""
    return await _page(_PageReader(client, full_name, "allBuilds"), first, last)


async def summaries_at(
    client: JenkinsClient, full_name: str, key: str, first: int, last: int
) -> BuildPage:
    """The builds at these places of the list ``key``, with the fewest fields. Raises RemoteError
    where nothing of them can be had."""
    return await _page(_PageReader(client, full_name, key, SUMMARY_TREE), first, last)


async def one_build(client: JenkinsClient, full_name: str, number: int) -> BuildPage:
    """One build by its number. Raises NotFound when it is gone, RemoteError where the controller
    is away."""
    reader = _PageReader(client, full_name, "")
    await reader.one(number, None)
    return reader.page()


def whole(client: JenkinsClient, full_name: str, page: BuildPage) -> list[Build]:
    """The builds of a page. Raises BadAnswer where one lacks what may be there later."""
    later = {number: fault.why for number, fault in page.faults.items() if fault.retry}
    for number, why in {**later, **page.unreadable}.items():
        raise BadAnswer(client.where, f"{full_name} #{number}", why)
    if page.nameless:
        raise BadAnswer(client.where, full_name, f"{page.nameless} builds without a number")
    return page.builds


async def whole_build(client: JenkinsClient, full_name: str, number: int) -> Build:
    """One build by its number. Raises NotFound when it is gone, RemoteError where not all of it can
    be had."""
    (build,) = whole(client, full_name, await one_build(client, full_name, number))
    return build


async def _page(reader: _PageReader, first: int, last: int) -> BuildPage:
    try:
        await reader.whole(first, last)
    except RemoteError as error:
        if not worth_splitting(error):
            raise
        known = await reader.known(first, last, error)
        reader.failed += 1
        await reader.halves(known, first)
    return reader.page()


class _PageReader:
    """Puts a page together out of the list ``key``. ``failed`` requests had no use."""

    def __init__(
        self, client: JenkinsClient, full_name: str, key: str, tree: str = BUILD_TREE
    ) -> None:
        self.failed = 0
        self._tree = tree
        self._client = client
        self._full_name = full_name
        self._key = key
        self._singly = False
        self._nameless = 0
        self._builds: dict[int, Build] = {}
        self._faults: dict[int, BuildFault] = {}
        self._unreadable: dict[int, str] = {}

    def page(self) -> BuildPage:
        """What was read."""
        newest_first = [self._builds[number] for number in sorted(self._builds, reverse=True)]
        return BuildPage(newest_first, self._faults, self._unreadable, self._nameless)

    async def whole(self, first: int, last: int) -> None:
        """All builds at these places."""
        for read in await self._list(self._tree, first, last):
            if read is None:
                self._nameless += 1
            else:
                self._keep(read)

    async def known(self, first: int, last: int, error: RemoteError) -> list[ReadBuild]:
        """The builds at these places with the fewest fields, or their numbers alone. Raises
        ``error`` where not even those can be had: then it is the whole job."""
        for tree in [one for one in (SUMMARY_TREE, "number") if one != self._tree]:
            try:
                found = await self._list(tree, first, last)
            except RemoteError as other:
                if not worth_splitting(other):
                    raise
                continue
            if known := [read for read in found if read is not None]:
                return known
        raise error

    async def halves(self, known: Sequence[ReadBuild], first: int) -> None:
        """What could not be had as a whole: ``known`` are the builds from the place ``first``."""
        if len(known) == 1:
            await self._known(known[0])
            return
        middle = len(known) // 2
        await self._part(known[:middle], first)
        await self._part(known[middle:], first + middle)

    async def _part(self, known: Sequence[ReadBuild], first: int) -> None:
        if self._singly or self.failed >= MOST_FAILED:
            for one in known:
                await self._known(one)
            return
        try:
            await self.whole(first, first + len(known))
        except RemoteError as error:
            if not worth_splitting(error):
                raise
            self.failed += 1
            await self.halves(known, first)

    async def _known(self, known: ReadBuild) -> None:
        """One build of a list that can't be had as it is."""
        number = known[0].number
        try:
            await self.one(number, known)
        except NotFound:
            return  # deleted since
        if number in self._builds and number not in self._faults:
            self._singly = True  # lists are not to be had, whatever is in them

    async def one(self, number: int, known: ReadBuild | None) -> None:
        """One build by its number, else with the fewest fields. Raises NotFound."""
        why = "not asked for by itself: too many builds of the job can't be had at once"
        if self.failed < MOST_FAILED:
            try:
                self._keep(await self._by_number(number, self._tree))
                return
            except RemoteError as error:
                if not worth_splitting(error):
                    raise
                self.failed += 1
                why = error.reason
        if known is None or known[1] is not None:
            if self.failed >= 2 * MOST_FAILED or self._tree == SUMMARY_TREE:
                self._unreadable[number] = why
                return
            try:
                known = await self._by_number(number, SUMMARY_TREE)
            except RemoteError as error:
                if not worth_splitting(error):
                    raise
                self.failed += 1
                self._unreadable[number] = error.reason
                return
        build, fault = known
        why = f"{why}; {fault.why}" if fault else why
        self._keep((build, BuildFault(why, retry=True)))

    async def _list(self, tree: str, first: int, last: int) -> list[ReadBuild | None]:
        asked = f"{self._key}[{tree}]{{{first},{last}}}"
        answer = await self._client.of_job(self._full_name, asked)
        return read_page(answer, self._client.where, self._full_name, self._key)

    async def _by_number(self, number: int, tree: str) -> ReadBuild:
        answer = await self._client.of_build(self._full_name, number, tree)
        what = f"{self._full_name} #{number}"
        read = read_build(answer, self._client.where, what)
        if read[0].number != number:
            raise BadAnswer(self._client.where, what, f"it is of #{read[0].number}")
        return read

    def _keep(self, read: ReadBuild) -> None:
        build, fault = read
        self._builds[build.number] = build
        self._faults.pop(build.number, None)
        if fault is not None:
            self._faults[build.number] = fault
