"""The only code that talks HTTP to Jenkins. It asks and decodes; it decides nothing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer, ForeignSession, RemoteError, Unreachable, is_away
from poller.http.client import Connection, basic, fetch, open_client, stream
from poller.http.errors import HttpResponse, raise_for_status
from poller.http.retry import retry_after
from poller.jenkins.answers import PAGE_HINT, Executable, decode, executables
from poller.jenkins.away_probe import SMALLEST, AwayProbe
from poller.jenkins.build import CAUSES_TREE, Origin
from poller.jenkins.build_values import Head, key_of, keys_of
from poller.jenkins.folder_memory import FolderMemory
from poller.jenkins.paths import job_path
from poller.jenkins.request_limiter import PROBE, RequestLimiter, is_starting

T = TypeVar("T")

KIB = 1024
FACTS_LIMIT = 64 * KIB
ORIGIN_LIMIT = MANIFEST_LIMIT = 1024 * KIB
"""Bytes of answers that are small by their nature. All others may have the connection's
``answer_limit``, and are asked for in parts where that is not enough."""

TIMEOUTS = 20
"""A history may take so many times what another answer may: Jenkins loads each build for it."""

BUILDS_PER_PAGE = 100
"""``builds`` never has more than the 100 newest, whatever range is asked (measured)."""

_EXECUTABLE = "[currentExecutable[url,timestamp,queueId]]"
RUNNING_TREE = f"computer[executors{_EXECUTABLE},oneOffExecutors{_EXECUTABLE}]"
DENIED = "are user and token right, and does the user have Overall/Read and Job/Read?"


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
        self.sessions: set[str] = set()
        """Those whose answers are used; while there is none, the next answer's. Answers without one
        are, as wfapi's are."""
        self.met_foreign_session = False
        """Since the controller was verified."""
        self.root = urlsplit(connection.url).path
        self._base = connection.url.rstrip("/")
        self._limit = connection.answer_limit
        self._seconds = connection.timeout / 1000
        self.folders = FolderMemory()
        self._away_probe = AwayProbe(self._look)
        self._http = open_client(connection, credentials=basic(user, token))
        self.limiter = limiter or RequestLimiter(self.where, connection.max_connections)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def items(self, folder: str, tree: str) -> Any:
        """``api/json`` of the top (``""``) or a folder: plain JSON, not to be trusted."""
        path = job_path(folder) + "api/json"
        return await self.get_json(folder or "item tree", path, {"tree": tree}, Any)

    async def running(self) -> list[Executable]:
        """What holds an executor now; doubles are possible (measured). Jenkins has all that runs in
        memory, so nothing is loaded for it."""
        tree, what = {"tree": RUNNING_TREE}, "running builds"
        answer = await self.get_json(what, "computer/api/json", tree, dict[str, Any])
        if not isinstance(answer.get("computer"), list):
            raise BadAnswer(self.where, what, "there is no list computer in it")
        return executables(answer)

    async def of_job(self, full_name: str, tree: str) -> HttpResponse:
        """A job's ``tree``, whole and not decoded."""
        path = job_path(full_name) + "api/json"
        return await self._fetch(full_name, path, {"tree": tree}, self._limit)

    async def of_build(self, full_name: str, number: int, tree: str) -> HttpResponse:
        """A build's ``tree``, whole and not decoded. Raises NotFound when it is gone."""
        path = f"{job_path(full_name)}{number}/api/json"
        return await self._fetch(f"{full_name} #{number}", path, {"tree": tree}, self._limit)

    async def heads(self, full_name: str) -> list[BuildKey]:
        """The key of every build of the job, newest first. Jenkins loads each build for it."""
        answer = await self.history(full_name, "allBuilds[number,timestamp,queueId]")
        return keys_of(answer, self.where, full_name, "allBuilds")

    async def history(self, full_name: str, tree: str) -> HttpResponse:
        """A job's ``tree`` that may be long, whole and not decoded: it may take TIMEOUTS times what
        another answer may."""
        path = job_path(full_name) + "api/json"
        seconds = TIMEOUTS * self._seconds
        streamed = self.stream(full_name, path, {"tree": tree}, self._limit, seconds)
        async with streamed as (answer, chunks):
            answer = dataclasses.replace(answer, body=b"".join([part async for part in chunks]))
            self._raise_for_status(answer, full_name)
        return answer

    @contextlib.asynccontextmanager
    async def stream(
        self,
        what: str,
        path: str,
        params: dict[str, str],
        limit: int,
        seconds: float,
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[tuple[HttpResponse, AsyncIterator[bytes]]]:
        """An answer of at most ``limit`` bytes, in at most ``seconds``, that is read while it
        comes, whatever its status. Raises RemoteError."""
        request = self._request(path, params, headers)
        async with self._slot(None, path):
            streamed = stream(
                self._http, request, where=self.where, what=what, limit=limit, seconds=seconds
            )
            async with streamed as (answer, chunks):
                self._check_session(answer, what)
                yield answer, chunks

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
        """Ask the smallest question. Raises Unreachable, Unauthorized, BadAnswer."""
        await self._fetch("server", *SMALLEST, FACTS_LIMIT, PROBE)

    async def identity(self) -> str | None:
        """``X-Instance-Identity``, the public key of this Jenkins; only its pages carry it
        (measured). None where the page can't be had or a proxy took the header away."""
        try:
            answer = await self._fetch("identity", "login", {}, self._limit)
        except RemoteError as error:
            if is_away(error):
                raise
            return None
        return answer.headers.get("X-Instance-Identity")

    async def build_key(self, full_name: str, number: int) -> BuildKey:
        """The key of one build. Raises NotFound when it is gone."""
        path = f"{job_path(full_name)}{number}/api/json"
        what = f"{full_name} #{number}"
        params = {"tree": "number,timestamp,queueId"}
        return key_of(await self.get_json(what, path, params, Head, FACTS_LIMIT))

    async def get_json(
        self,
        what: str,
        path: str,
        params: dict[str, str],
        kind: Callable[..., T] | type[T],
        limit: int | None = None,
    ) -> T:
        """Any other answer of Jenkins as ``kind``, at most ``limit`` bytes of it, else what the
        connection allows. ``what`` names it in an error."""
        answer = await self._fetch(what, path, params, limit or self._limit)
        return decode(answer, self.where, what, kind)

    async def _fetch(
        self, what: str, path: str, params: dict[str, str], limit: int, kind: Hashable = None
    ) -> HttpResponse:
        request = self._request(path, params)
        async with self._slot(kind or kind_of(path, params), path):
            answer = await fetch(
                self._http, request, where=self.where, what=what, limit=limit, seconds=self._seconds
            )
            self._raise_for_status(answer, what)
        if kind != PROBE:
            self._check_session(answer, what)
        return answer

    def _check_session(self, answer: HttpResponse, what: str) -> None:
        session = answer.headers.get("X-Jenkins-Session")
        if session is None:
            return
        self.session = session
        if not self.sessions:
            self.sessions.add(session)
        elif session not in self.sessions:
            self.met_foreign_session = True
            raise ForeignSession(
                self.where, what, "another Jenkins answered, or this one since a restart",
                "does a proxy mix up two controllers? Else the next poll makes sure of it",
            )  # fmt: skip

    @contextlib.asynccontextmanager
    async def _slot(self, kind: Hashable, path: str) -> AsyncIterator[None]:
        """A place for a request. An error that leaves it says whether the controller is away."""
        async with self.limiter.slot(kind):
            self.requests += 1
            try:
                yield
            except Unreachable as error:
                error.away = kind == PROBE or await self._away_probe.is_away(error, path)
                raise

    async def _look(self) -> None:
        """The smallest question beside another that has a slot, and no answer."""
        self.requests += 1
        answer = await fetch(
            self._http, self._request(*SMALLEST), where=self.where, what="server",
            limit=FACTS_LIMIT, seconds=self._seconds,
        )  # fmt: skip
        self._raise_for_status(answer, "server")
        self.limiter.answered()

    def _raise_for_status(self, answer: HttpResponse, what: str) -> None:
        if is_starting(answer.status, answer.body):
            error = Unreachable(self.where, what, "HTTP 503: Jenkins is getting ready to work")
            error.status, error.starting, error.away = answer.status, True, True
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
