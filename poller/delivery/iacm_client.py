"""The only code that talks HTTP to the Harness API 1.0. It sends; it decides nothing.

Source: Harness' API reference (apidocs.harness.io), its introduction and "IaCM: executions":
the headers ``x-api-key`` and ``Harness-Account``, the status codes, the pagination headers, and
"you must send a single request at a time".
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from poller.core.errors import BadAnswer, RemoteError
from poller.http.client import Connection, fetch, open_client
from poller.http.errors import HttpResponse, raise_for_status

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer: a page of 100 executions has some 40 kB."""

PAGE_LIMIT = 100
"""The most that the API gives in one page."""

RETRIED = frozenset({429, 502, 503, 504})
"""Statuses after which a GET is sent once more."""

WHERE = "Harness"

MEANINGS: Mapping[int, str] = {
    200: "taken",
    201: "taken, and made",
    202: "taken, to be worked on later",
    204: "taken, without an answer",
    400: "a value is not one that Harness knows: is the workspace's identifier right?",
    401: "the API key is missing, wrong or out of date: make a new one under My Profile",
    403: "the API key's owner may not do this in that org and project, or the account is another",
    404: "there is no such thing: are url, org, project and workspace right?",
    412: "something that has to be there first is not: does the workspace exist in that project?",
    415: "what was sent is not taken as JSON: is the url right, and is there a proxy on the way?",
    429: "more requests than the account may send; what is queued is sent again later",
    500: "Harness failed by itself; what is queued is sent again later",
}
"""Each status that the API documents (and two that come on the way), as a sentence for a user."""


def meaning(status: int) -> str:
    """What a status says to a user, as a sentence; empty for one that nobody documents."""
    if status >= 500:
        return MEANINGS[500]
    return MEANINGS.get(status, "")


class Execution(msgspec.Struct, frozen=True, gc=False):
    """One execution as IaCM has it; what it leaves out, or null, is None. ``created`` is epoch
    milliseconds."""

    pipeline_execution_id: str
    pipeline_stage_id: str
    pipeline: str | None = None
    workspace: str | None = None
    status: str | None = None
    created: int | None = None
    account: str | None = None
    org: str | None = None
    project: str | None = None


@dataclass(frozen=True)
class ExecutionPage:
    """One page. ``number``, ``size`` and ``total`` are the answer's own ``X-Page-Number``,
    ``X-Page-Size`` and ``X-Total-Elements``, None where it has none."""

    executions: list[Execution]
    number: int | None
    size: int | None
    total: int | None


class IacmClient:
    """The executions of one project. One request at a time, whoever asks.

    Methods raise Unreachable or BadAnswer when no answer comes; those that give executions raise
    Unauthorized and NotFound, too, with the sentence for the status.
    """

    def __init__(
        self, connection: Connection, account: str, org: str, project: str, key: str
    ) -> None:
        base = connection.url.rstrip("/")
        self._url = f"{base}/iacm/api/orgs/{_part(org)}/projects/{_part(project)}/executions"
        self._account = account
        self._seconds = connection.timeout / 1000
        self._http = open_client(connection, credentials={"x-api-key": key}, retry_statuses=RETRIED)
        self._one_request = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def create(self, body: bytes) -> HttpResponse:
        """POST one execution (encoded JSON); its status is for the caller to look at."""
        return await self._fetch("POST", self._url, "new execution", body)

    async def get(self, pipeline_execution_id: str, pipeline_stage_id: str) -> Execution:
        """GET one execution. Raises NotFound when there is none."""
        what = f"execution {pipeline_execution_id} {pipeline_stage_id}"
        url = f"{self._url}/{_part(pipeline_execution_id)}/{_part(pipeline_stage_id)}"
        return decode_execution(await self._fetch_ok(url, what), Execution, what)

    async def page(self, filters: Mapping[str, str], limit: int, page: int) -> ExecutionPage:
        """GET one page of at most ``limit`` executions (1 to 100). ``filters`` are the API's own:
        ``workspace``, ``pipeline_execution_id``, ``status``, ``pipeline_name``, ``start_time`` and
        ``end_time`` (epoch ms)."""
        what = f"executions, page {page}"
        query = urlencode({"limit": limit, "page": page, **filters})
        answer = await self._fetch_ok(f"{self._url}?{query}", what)
        found = [] if answer.status == 204 else decode_execution(answer, list[Execution], what)
        return ExecutionPage(
            found,
            number=total_pages(answer, "X-Page-Number"),
            size=total_pages(answer, "X-Page-Size"),
            total=total_pages(answer, "X-Total-Elements"),
        )

    async def _fetch_ok(self, url: str, what: str) -> HttpResponse:
        """The 2xx to a GET."""
        answer = await self._fetch("GET", url, what)
        raise_for_iacm_status(answer, what)
        return answer

    async def _fetch(
        self, method: str, url: str, what: str, body: bytes | None = None
    ) -> HttpResponse:
        headers = {"Harness-Account": self._account, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = self._http.request(method, url, content=body, headers=headers)
        async with self._one_request:
            return await fetch(
                self._http, request, where=WHERE, what=what, limit=ANSWER_LIMIT,
                seconds=self._seconds,
            )  # fmt: skip


def raise_for_iacm_status(answer: HttpResponse, what: str) -> None:
    """Raise the error that a status other than 2xx means, with the sentence for it."""
    try:
        raise_for_status(answer, WHERE, what, denied_hint=meaning(answer.status))
    except RemoteError as error:
        error.status, error.hint = answer.status, error.hint or meaning(answer.status)
        raise


def is_object(body: bytes) -> bool:
    """Whether a body is a JSON object, as every execution is; a login page is none."""
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


T = TypeVar("T")


def decode_execution(answer: HttpResponse, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "is the url right? A page to log in is no answer of the API"
        raise BadAnswer(WHERE, what, f"not the JSON that was asked for: {error}", hint) from None


def _part(text: str) -> str:
    """One segment of a path: nothing in it leads anywhere else, not even ``..``."""
    return quote(text, safe="").replace(".", "%2E") if set(text) == {"."} else quote(text, safe="")


def total_pages(answer: HttpResponse, header: str) -> int | None:
    text = answer.headers.get(header, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


NO_SUCH_PAGE = (400, 404, 412, 416, 422, 500)
"""What a server that counts its pages from 1 may answer to page 0; 500 where it counts on blindly.
The documentation shows ``page=1`` in a request and ``X-Page-Number : 0`` in an answer."""


MOST_AGAIN = 5
"""Pages in a row with nothing new, after which the server does not turn them: a list may grow by
whole pages while it is read, but not so fast."""


async def executions(
    api: IacmClient, filters: Mapping[str, str], limit: int | None = None
) -> AsyncIterator[Execution]:
    """Those that the filters leave, in the server's order, at most ``limit``; the next page is
    asked for when it is needed.

    Page 0 is asked for first. A server that counts from 1 refuses it, has nothing there, or gives
    its first page. What has been given already is not given again, so neither the two ways to count
    nor a list that grows meanwhile double anything; the end is where the answer's own headers have
    it. Raises RemoteError.
    """
    seen: set[tuple[str, str]] = set()
    size = PAGE_LIMIT if limit is None else max(1, min(limit, PAGE_LIMIT))
    refused: RemoteError | None = None
    total: int | None = None
    again = 0
    for number in itertools.count():
        try:
            page = await api.page(filters, size, number)
        except RemoteError as error:
            if number > 0 or error.status not in NO_SUCH_PAGE:
                raise
            refused = error
            continue
        if page.number == 0:
            refused = None  # it says itself that this is the first
        total = page.total if total is None else total
        before = len(seen)
        for execution in page.executions:
            key = (execution.pipeline_execution_id, execution.pipeline_stage_id)
            if key not in seen:
                seen.add(key)
                yield execution
                if len(seen) == limit:
                    return
        again = 0 if len(seen) > before else again + 1
        if is_last(page, number, len(seen)):
            break
        if again == MOST_AGAIN:
            raise BadAnswer(WHERE, f"executions, page {number}", "the same ones as before")
    if refused is not None and total is not None and len(seen) < total:
        raise refused  # the page is there after all, and could not be had


def is_last(page: ExecutionPage, number: int, seen: int) -> bool:
    """Whether nothing can follow a page that was asked for as ``number``. Pure.

    ``X-Total-Elements`` tells; without it, a page that is not full (``X-Page-Size``), or empty.
    """
    if page.total is not None and seen >= page.total:
        return True
    if number == 0:
        return False
    if page.total is None and page.size is not None:
        return len(page.executions) < page.size
    return not page.executions
