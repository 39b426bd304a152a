"""The only code that talks HTTP to Jenkins. It asks and decodes; it decides nothing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer, CircuitOpen, RemoteError, Unreachable
from poller.http.client import Connection, basic, fetch, open_client, stream
from poller.http.errors import HttpResponse, raise_for_status
from poller.http.retry import retry_after
from poller.jenkins.answers import PAGE_HINT, Executable, decode, executables
from poller.jenkins.build import BUILD_TREE, CAUSES_TREE, Build, Millis, Number, Origin, QueueId
from poller.jenkins.paths import job_path
from poller.jenkins.request_limiter import PROBE, RequestLimiter, is_starting

T = TypeVar("T")

KIB, MIB = 1024, 1024 * 1024
TREE_LIMIT = 32 * MIB
PAGE_LIMIT = 32 * MIB
BUILD_LIMIT = 8 * MIB
RUNNING_LIMIT = 8 * MIB
FACTS_LIMIT = 64 * KIB
ORIGIN_LIMIT = MIB
MANIFEST_LIMIT = MIB
HISTORY_LIMIT = 64 * MIB
"""Some 350,000 builds of one job, a summary each."""

BUILDS_PER_PAGE = 100
"""``builds`` never has more than the 100 newest, whatever range is asked (measured)."""

_EXECUTABLE = "[currentExecutable[url,timestamp,queueId]]"
RUNNING_TREE = f"computer[executors{_EXECUTABLE},oneOffExecutors{_EXECUTABLE}]"
DENIED = "are user and token right, and does the user have Overall/Read and Job/Read?"


class _Builds(msgspec.Struct):
    builds: list[Build] = []
    allBuilds: list[Build] = []


class _Head(msgspec.Struct, gc=False):
    number: Number
    timestamp: Millis = 0
    queueId: QueueId | None = None


class _Heads(msgspec.Struct):
    allBuilds: list[_Head] = []


class JenkinsClient:
    """One controller's API. All methods raise RemoteError, with what was asked in it; CircuitOpen
    while nobody is to ask. Every request has its slot of ``limiter``.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        user: str,
        token: str,
        limiter: RequestLimiter | None = None,
    ) -> None:
        self.where = f"controller {name}"
        self.requests = 0
        """That left: progress, for whoever watches over it."""
        self.session: str | None = None
        """``X-Jenkins-Session`` of the last answer: another one after each start of Jenkins."""
        self.root = urlsplit(connection.url).path
        self._base = connection.url.rstrip("/")
        self._seconds = connection.timeout / 1000
        self._http = open_client(connection, credentials=basic(user, token))
        self.limiter = limiter or RequestLimiter(self.where, connection.max_connections)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def items(self, folder: str, tree: str) -> Any:
        """``api/json`` of the top (``""``) or a folder: plain JSON, not to be trusted."""
        path = job_path(folder) + "api/json"
        return await self.get_json(folder or "item tree", path, {"tree": tree}, Any, TREE_LIMIT)

    async def running(self) -> list[Executable]:
        """What holds an executor now; doubles are possible (measured). Jenkins has all that runs in
        memory, so nothing is loaded for it."""
        answer = await self.get_json(
            "running builds",
            "computer/api/json",
            {"tree": RUNNING_TREE},
            dict[str, Any],
            RUNNING_LIMIT,
        )
        return executables(answer)

    async def builds(self, full_name: str, count: int) -> list[Build]:
        """The ``count`` newest builds, newest first, at most 100 whatever is asked."""
        tree = f"builds[{BUILD_TREE}]{{0,{count}}}"
        return (await self._job(full_name, tree, _Builds)).builds

    async def heads(self, full_name: str) -> list[BuildKey]:
        """The key of every build of the job, newest first. Jenkins loads each build for it."""
        answer = await self._job(full_name, "allBuilds[number,timestamp,queueId]", _Heads)
        return [_key(head) for head in answer.allBuilds]

    async def history(self, full_name: str, tree: str, kind: type[T]) -> T:
        """A job's ``tree`` that may be long: the time limit holds for each part of the answer."""
        path = job_path(full_name) + "api/json"
        streamed = self.stream(full_name, path, {"tree": tree}, HISTORY_LIMIT)
        async with streamed as (answer, chunks):
            answer = dataclasses.replace(answer, body=b"".join([part async for part in chunks]))
            self._raise_for_status(answer, full_name)
        return decode(answer, self.where, full_name, kind)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        what: str,
        path: str,
        params: dict[str, str],
        limit: int,
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[tuple[HttpResponse, AsyncIterator[bytes]]]:
        """An answer of at most ``limit`` bytes that is read while it comes, whatever its status.
        Raises RemoteError."""
        request = self._request(path, params, headers)
        async with self.limiter.slot(None, of_job=True):
            self.requests += 1
            streamed = stream(self._http, request, where=self.where, what=what, limit=limit)
            async with streamed as answer:
                yield answer

    async def page(self, full_name: str, first: int, last: int) -> list[Build]:
        """The builds at the places ``first`` to ``last`` - 1 of the whole history, newest first."""
        tree = f"allBuilds[{BUILD_TREE}]{{{first},{last}}}"
        return (await self._job(full_name, tree, _Builds)).allBuilds

    async def build(self, full_name: str, number: int) -> Build:
        """One build by its number. Raises NotFound when it is gone."""
        path = f"{job_path(full_name)}{number}/api/json"
        return await self.get_json(
            f"{full_name} #{number}", path, {"tree": BUILD_TREE}, Build, BUILD_LIMIT
        )

    async def origin(self, full_name: str, number: int) -> Origin:
        """When a build started and why. Raises NotFound when it is gone, or not to be seen."""
        path = f"{job_path(full_name)}{number}/api/json"
        what = f"causes of {full_name} #{number}"
        return await self.get_json(what, path, {"tree": CAUSES_TREE}, Origin, ORIGIN_LIMIT)

    async def archived_file(self, full_name: str, number: int, path: str) -> bytes:
        """A small file of a build's archive, at most 1 MiB. ``path`` is relative to the archive."""
        inside = "/".join(quote(segment, safe="") for segment in path.split("/"))
        what = f"{path} of {full_name} #{number}"
        url = f"{job_path(full_name)}{number}/artifact/{inside}"
        answer = await self._fetch(what, url, {}, MANIFEST_LIMIT)
        if "html" in answer.headers.get("Content-Type", ""):
            raise BadAnswer(self.where, what, "a web page where a file is due", PAGE_HINT)
        return answer.body

    async def headers(self) -> Mapping[str, str]:
        """``X-Jenkins``, ``Date`` and the other headers of a small answer; case does not matter."""
        answer = await self._fetch("server", "api/json", {"tree": "nodeDescription"}, FACTS_LIMIT)
        return answer.headers

    async def probe(self) -> None:
        """The smallest question that Jenkins answers itself: one value, of no item."""
        await self._fetch("server", "api/json", {"tree": "mode"}, FACTS_LIMIT, PROBE)

    async def identity(self) -> str | None:
        """``X-Instance-Identity``, the public key of this Jenkins; only its pages carry it
        (measured). None where the page can't be had or a proxy took the header away."""
        try:
            answer = await self._fetch("identity", "login", {}, PAGE_LIMIT)
        except (Unreachable, CircuitOpen):
            raise
        except RemoteError:
            return None
        return answer.headers.get("X-Instance-Identity")

    async def build_key(self, full_name: str, number: int) -> BuildKey:
        """The key of one build. Raises NotFound when it is gone."""
        path = f"{job_path(full_name)}{number}/api/json"
        what = f"{full_name} #{number}"
        params = {"tree": "number,timestamp,queueId"}
        return _key(await self.get_json(what, path, params, _Head, FACTS_LIMIT))

    async def _job(self, full_name: str, tree: str, kind: type[T]) -> T:
        path = job_path(full_name) + "api/json"
        return await self.get_json(full_name, path, {"tree": tree}, kind, PAGE_LIMIT)

    async def get_json(
        self,
        what: str,
        path: str,
        params: dict[str, str],
        kind: Callable[..., T] | type[T],
        limit: int,
    ) -> T:
        """Any other answer of Jenkins as ``kind``, at most ``limit`` bytes of it. ``what`` names it
        in an error."""
        answer = await self._fetch(what, path, params, limit)
        return decode(answer, self.where, what, kind)

    async def _fetch(
        self, what: str, path: str, params: dict[str, str], limit: int, kind: Hashable = None
    ) -> HttpResponse:
        request = self._request(path, params)
        async with self.limiter.slot(
            kind or kind_of(path, params), of_job=path.startswith(("job/", "blue/"))
        ):
            self.requests += 1
            answer = await fetch(
                self._http, request, where=self.where, what=what, limit=limit, seconds=self._seconds
            )
            self._raise_for_status(answer, what)
        self.session = answer.headers.get("X-Jenkins-Session", self.session)
        return answer

    def _raise_for_status(self, answer: HttpResponse, what: str) -> None:
        if is_starting(answer.status, answer.body):
            error = Unreachable(self.where, what, "HTTP 503: Jenkins is getting ready to work")
            error.status, error.starting = answer.status, True
            error.retry_after = retry_after(answer.headers)
            raise error
        raise_for_status(answer, self.where, what, denied_hint=DENIED)

    def _request(
        self, path: str, params: dict[str, str], headers: dict[str, str] | None = None
    ) -> httpx.Request:
        query = f"?{urlencode(params)}" if params else ""
        try:
            return self._http.request("GET", f"{self._base}/{path}{query}", headers=headers)
        except httpx.InvalidURL as error:  # of a name of 64 kB
            raise BadAnswer(self.where, path, f"can't be asked for: {error}") from None


def kind_of(path: str, params: dict[str, str]) -> Hashable:
    """What sort of question it is, and about how large: one to be compared with its like. None for
    a file, which takes as long as it is large."""
    if "/artifact/" in path:
        return None
    tree = params.get("tree", "")
    return path.rstrip("/").rpartition("/")[2], tree[:9], len(tree)


def _key(head: _Head) -> BuildKey:
    return BuildKey(head.number, max(0, head.timestamp), max(0, head.queueId or 0))
