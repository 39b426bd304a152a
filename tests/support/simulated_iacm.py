"""A simulated Harness API 1.0: the executions of IaCM workspaces, paged either way."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

from poller.demo.faults import (
    Answer,
    Faulty,
    Receive,
    Request,
    Scope,
    Send,
    late,
    request_of,
    send_answer,
)
from poller.demo.sei import decoded_body

FIELDS = ("pipeline", "pipeline_execution_id", "pipeline_stage_id", "workspace")
DEFAULT_LIMIT, MOST = 30, 100
FIRST_PAGES = {"from 0": 0, "from 1": 1, "from 1, told from 0": 1, "from 1, 0 is 1": 1}
"""How pages can be counted: as the name says; the third is what the documentation shows, the last
takes page 0 for the first one. The others refuse it."""


class Harness(Faulty):
    """``app`` is the ASGI app. ``executions`` holds what was recorded, oldest first; ``received``
    every POST that was understood. ``workspaces=None``: every workspace exists.

    ``numbering`` is one of ``FIRST_PAGES``; without ``headers`` pages come without a word about
    themselves. With ``hold_answers`` an execution is taken and the connection broken off; with
    ``refuse_doubles`` one that is there is refused with 400, else it is answered again.
    ``busiest`` is the most requests that were under way at once.
    """

    def __init__(
        self,
        key: str = "harness-key",
        account: str = "acc",
        workspaces: Iterable[str] | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        super().__init__()
        self.key, self.account = key, account
        self.workspaces = None if workspaces is None else set(workspaces)
        self.clock = clock
        self.executions: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.numbering = "from 0"
        self.headers = True
        self.most = MOST
        self.hold_answers = self.refuse_doubles = False
        self.on_page: Callable[[int], None] = lambda _page: None
        self.under_way = self.busiest = 0

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = request_of(scope)
        self.under_way += 1
        self.busiest = max(self.busiest, self.under_way)
        try:
            body = await decoded_body(receive)
            fault = await late(self.fault_of(request))
            headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            }
            query = parse_qs(scope["query_string"].decode("latin-1"))
            answer = self.answered(
                request, fault, lambda: self._answer(request, headers, query, body)
            )
            await send_answer(scope, send, answer)
        finally:
            self.under_way -= 1

    def _answer(
        self, request: Request, headers: dict[str, str], query: dict[str, list[str]], body: bytes
    ) -> Answer:
        if headers.get("x-api-key") != self.key:
            return _json(401, {"message": "Unauthorized"})
        if headers.get("harness-account") != self.account:
            return _json(403, {"message": "Forbidden"})
        segments = [unquote(part) for part in request.path.strip("/").split("/")]
        match request.method, segments:
            case "POST", ["iacm", "api", "orgs", org, "projects", project, "executions"]:
                if not headers.get("content-type", "").startswith("application/json"):
                    return _json(415, {"message": "Unsupported Media Type"})
                return self._take(body, org, project)
            case "GET", ["iacm", "api", "orgs", org, "projects", project, "executions"]:
                ours = [e for e in self.executions if (e["org"], e["project"]) == (org, project)]
                return self._page([e for e in reversed(ours) if _fits(e, query)], query)
            case "GET", ["iacm", "api", "orgs", _, "projects", _, "executions", id_, stage]:
                found = self.find(id_, stage)
                return _json(200, found) if found else _json(404, {"message": "no such execution"})
        return _json(404, {"message": "Not Found"})

    def find(self, pipeline_execution_id: str, stage: str) -> dict[str, Any] | None:
        """The execution with those ids."""
        wanted = (pipeline_execution_id, stage)
        for one in self.executions:
            if (one["pipeline_execution_id"], one["pipeline_stage_id"]) == wanted:
                return one
        return None

    def _take(self, body: bytes, org: str, project: str) -> Answer:
        try:
            given = json.loads(body)
        except ValueError:
            return _json(400, {"message": "no JSON"})
        if not isinstance(given, dict) or not all(
            isinstance(given.get(name), str) and given[name] for name in FIELDS
        ):
            return _json(400, {"message": f"needed: {', '.join(FIELDS)}"})
        if self.workspaces is not None and given["workspace"] not in self.workspaces:
            return _json(400, {"message": f"workspace {given['workspace']} not found"})
        self.received.append(given)
        there = self.find(given["pipeline_execution_id"], given["pipeline_stage_id"])
        if there is None:
            there = self.record(given, org, project)
        elif self.refuse_doubles:
            return _json(400, {"message": "execution already exists"})
        if self.hold_answers:
            return Answer(None, break_off=True)
        return _json(200, there)

    def record(
        self, given: dict[str, str], org: str = "org", project: str = "project"
    ) -> dict[str, Any]:
        """An execution, as if somebody had recorded it now."""
        made = {
            "account": self.account, "org": org, "project": project, "created": self.clock(),
            "status": "success", **{name: given[name] for name in FIELDS},
        }  # fmt: skip
        self.executions.append(made)
        return made

    def _page(self, found: list[dict[str, Any]], query: dict[str, list[str]]) -> Answer:
        try:
            limit = min(self.most, int(query.get("limit", [str(DEFAULT_LIMIT)])[0]))
            page = int(query.get("page", ["1"])[0])
        except ValueError:
            return _json(400, {"message": "limit and page are numbers"})
        first = FIRST_PAGES[self.numbering]
        if self.numbering == "from 1, 0 is 1":
            page = max(page, first)
        if page < first or limit < 1:
            return _json(400, {"message": f"pages begin at {first}"})
        self.on_page(page)
        start = (page - first) * limit
        answer = _json(200, found[start : start + limit])
        if not self.headers:
            return answer
        told = page - 1 if self.numbering == "from 1, told from 0" else page
        paging = {
            "X-Total-Elements": str(len(found)),
            "X-Page-Number": str(told),
            "X-Page-Size": str(limit),
        }
        return dataclasses.replace(answer, headers={**answer.headers, **paging})


def _fits(execution: dict[str, Any], query: dict[str, list[str]]) -> bool:
    for name, field in (
        ("workspace", "workspace"),
        ("pipeline_execution_id", "pipeline_execution_id"),
        ("pipeline_name", "pipeline"),
    ):
        if name in query and query[name][0] != execution[field]:
            return False
    if "status" in query and execution["status"] not in query["status"][0].split(","):
        return False
    created = int(execution["created"])
    return (
        int(query.get("start_time", ["0"])[0])
        <= created
        <= int(query.get("end_time", [str(1 << 62)])[0])
    )


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})
