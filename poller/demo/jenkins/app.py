"""The simulated Jenkins over HTTP: which answer a request gets."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote

from poller.demo.faults import Answer, Receive, Request, Scope, Send, request_of, send_answer
from poller.demo.jenkins import blue_ocean, graph_view, step_logs
from poller.demo.jenkins.build_exports import Asked
from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.consoles import progressive, whole
from poller.demo.jenkins.error_pages import (
    JETTY,
    JSON,
    access_denied,
    archived_file,
    error_page,
    jenkins_headers,
    jetty_page,
    login_page,
    malformed,
    not_found,
    redirect,
    too_long,
    unauthorized,
)
from poller.demo.jenkins.executors import PLAIN, computer_set
from poller.demo.jenkins.item_exports import ALIASES, plain_tree
from poller.demo.jenkins.tree_query import Tree, parse, select
from poller.demo.jenkins.wfapi import DESCRIBES_FULL, RUNS, describe, node, runs

if TYPE_CHECKING:
    from poller.demo.jenkins.items import Item, Jenkins, Job


LONGEST_URL = 8192
"""Jetty refuses a request line that does not fit into its buffer."""

ANONYMOUS = "anonymous"
PLAIN_TEXT = "text/plain;charset=utf-8"
EVERYTHING = parse("*[*]")


@dataclass
class Target:
    """What a path leads to: an item, maybe a build of it, and what is asked of that."""

    item: Item | None
    build: Build | None
    rest: tuple[str, ...]
    echo: str


class App:
    """The ASGI app of one simulated Jenkins."""

    def __init__(self, jenkins: Jenkins) -> None:
        self.jenkins = jenkins

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = request_of(scope)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        fault = self.jenkins.fault_of(request)
        answer = self.jenkins.answered(
            request, fault, lambda: self.usual(request, headers, scope["query_string"])
        )
        if "X-Jenkins-Session" in answer.headers:
            session = {"X-Jenkins-Session": self.jenkins.session}
            answer = dataclasses.replace(answer, headers={**answer.headers, **session})
        await send_answer(scope, send, answer)

    def usual(self, request: Request, headers: dict[str, str], query: bytes) -> Answer:
        """The answer without any fault."""
        if len(request.path) + len(query) >= LONGEST_URL - len("GET ? HTTP/1.1"):
            return too_long()
        if ";" in request.path:
            return jetty_page(request, 400, "Semicolons are not allowed in the request URI")
        if "..%2f" in request.path.lower():
            return jetty_page(request, 400, "Bad Request", filtered=True)
        user = self._user(headers.get("authorization", ""))
        if user is None:
            return unauthorized(request)
        asked = Asked(self.jenkins, f"http://{headers.get('host', 'localhost')}/")
        params = {
            name: values[0]
            for name, values in parse_qs(query.decode("latin-1"), keep_blank_values=True).items()
        }
        with self.jenkins.lock:
            answer = self._answer(request, user, params, asked)
            self.jenkins.builds_loaded += len(asked.loaded)
        return _compressed(answer, headers)

    def _user(self, authorization: str) -> str | None:
        """Who asks; None where user or token is wrong."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "basic":
            return ANONYMOUS
        try:
            user, _, token = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        good = (self.jenkins.users.get(user), self.jenkins.api_tokens.get(user))
        return user if token and token in good else None

    def _answer(self, request: Request, user: str, params: dict[str, str], asked: Asked) -> Answer:
        segments = [segment for segment in request.path.split("/") if segment]
        top = [segment.lower() for segment in segments[:1]]
        if top == ["whoami"]:
            return self._export(_whoami(user), params, asked)
        if top == ["me"]:
            return self._export(_me(user), params, asked)
        if segments == ["login"]:
            page = error_page("Sign in to Jenkins", self.jenkins.version)
            if self.jenkins.identity is None:
                return page
            identity = {"X-Instance-Identity": self.jenkins.identity}
            return dataclasses.replace(page, headers={**page.headers, **identity})
        if user == ANONYMOUS:
            return login_page(request, self.jenkins.version)
        if segments[:2] == ["blue", "rest"] and "blue-ocean" in self.jenkins.plugins:
            return self._blue_ocean(segments[2:], params)
        if segments == ["computer", "api", "json"]:
            if not self.jenkins.can_see_computer:
                return access_denied(user, "Overall/Read", self.jenkins.version)
            return self._export(computer_set(asked), params, asked, PLAIN)
        if segments == ["queue", "api", "json"]:
            queue = {"_class": "hudson.model.Queue", "discoverableItems": [], "items": []}
            return self._export(queue, params, asked)
        target = self._target(segments)
        if target.item is None:
            return not_found()
        if not target.rest and segments and not request.path.endswith("/"):
            return redirect(f"{asked.base}{request.path[1:]}/", self.jenkins.version)
        asked.echo = (target.item, target.echo)
        return self._of(target, params, asked)

    def _target(self, segments: list[str]) -> Target:
        item: Item | None = self.jenkins.top
        at = 0
        while segments[at : at + 1] == ["job"] and at + 1 < len(segments) and item is not None:
            # Decoded once: %252F is the %2F in a branch's name.
            item = self.jenkins.child(item, unquote(segments[at + 1]))
            at += 2
        modules = getattr(item, "modules", {})
        if at < len(segments) and (module := modules.get(unquote(segments[at]))) is not None:
            item, at = module, at + 1
        echo = "".join(f"{segment}/" for segment in segments[:at])
        build = None
        builds = getattr(item, "builds", None)
        if builds is not None and at < len(segments):
            job, name = cast("Job", item), segments[at]
            alias = ALIASES.get(name)
            if alias is not None or name.isdecimal():
                build = alias(job, None) if alias is not None else builds.get(int(name))
                item = job if build is not None else None
                at += 1
        return Target(item, build, tuple(segments[at:]), echo)

    def _of(self, target: Target, params: dict[str, str], asked: Asked) -> Answer:
        now, full = self.jenkins.clock(), params.get("fullStages") == "true"
        pipeline, plugins = _is_pipeline(target.item), self.jenkins.plugins
        wfapi, graph = plugins.get("wfapi", 0) if pipeline else 0, plugins.get("graph-view", 0)
        match target.build, target.rest:
            case _, ("api", "json"):
                return self._exported(target, params, asked)
            case _, ():
                return error_page(target.echo, self.jenkins.version)
            case None, ("wfapi", "runs") if wfapi:
                job = cast("Job", target.item)
                self.jenkins.flow_graphs_loaded += min(RUNS, len(job.builds))
                return _plugin_json(runs(job, now, full=full))
            case Build() as build, ("wfapi", "describe") if wfapi:
                self.jenkins.flow_graphs_loaded += 1
                full = full and wfapi >= DESCRIBES_FULL
                return _plugin_json(describe(build, now, full=full))
            case Build() as build, ("execution", "node", node_id, "wfapi", "describe") if wfapi:
                self.jenkins.flow_graphs_loaded += 1
                found = node(build, now, node_id)
                return not_found() if found is None else _plugin_json(found)
            case Build() as build, (path, "tree" | "allSteps" as what) if (
                graph and pipeline and path == graph_view.place(graph)
            ):
                told = graph_view.tree if what == "tree" else graph_view.all_steps
                return _plugin_json(told(build, now, graph))
            case Build() as build, ("logText", "progressiveText"):
                return self._log(build, params.get("start", "0"))
            case Build() as build, ("artifact", *path):
                return archived_file(build.archived, [unquote(part) for part in path])
            case Build() as build, ("consoleText",):
                return self._console_text(build)
        return self._of_failed(target, params, asked)

    def _blue_ocean(self, segments: list[str], params: dict[str, str]) -> Answer:
        if (log := step_logs.blue_ocean(self.jenkins, segments)) is not None:
            return log
        told = blue_ocean.answer(self.jenkins, segments, params)
        return not_found() if told is None else _plugin_json(told)

    def _of_failed(self, target: Target, params: dict[str, str], asked: Asked) -> Answer:
        """Logs of steps, and test reports."""
        plugins = self.jenkins.plugins if _is_pipeline(target.item) else {}
        match target.build, target.rest:
            case Build() as build, ("execution", "node", one, "wfapi", "log") if "wfapi" in plugins:
                found = step_logs.wfapi(build, one, f"/{target.echo}{build.number}/")
                return not_found() if found is None else _plugin_json(found)
            case Build() as build, (path, "log") if (
                path == graph_view.place(plugins.get("graph-view", 0)) and "graph-view" in plugins
            ):
                return step_logs.graph_view(build, params.get("nodeId", ""))
            case Build() as build, ("testReport", "api", "json") if build.test_report is not None:
                return self._export(build.test_report, params, asked)
        return not_found()

    def _exported(self, target: Target, params: dict[str, str], asked: Asked) -> Answer:
        value: Any = target.build or target.item
        return self._export(value, params, asked, plain_tree(value.properties))

    def _export(
        self, value: Any, params: dict[str, str], asked: Asked, plain: Tree = EVERYTHING
    ) -> Answer:
        try:
            tree = parse(params["tree"]) if "tree" in params else plain
            asked.plain = tree is plain
        except ValueError as error:
            return malformed(self.jenkins.version, f"Malformed tree expression: {error}")
        headers = jenkins_headers(self.jenkins.version)
        headers |= {"Content-Type": JSON, "X-Frame-Options": "deny"}
        return Answer(200, _json(select(value, tree, asked)), headers)

    def _log(self, build: Build, given: str) -> Answer:
        try:
            start = int(given)
        except ValueError:
            start = -1
        if start < 0:
            return malformed(self.jenkins.version, f"no start of a log: {given}")
        body, size = progressive(build.log, start, completed=build.completed)
        headers = JETTY | {"X-Text-Size": str(size), "Content-Type": PLAIN_TEXT}
        if not build.completed:
            headers["X-More-Data"] = "true"
        if isinstance(body, bytes):
            return Answer(200, body, headers)
        return Answer(200, b"", headers, parts=body)

    @staticmethod
    def _console_text(build: Build) -> Answer:
        headers = JETTY | {"Content-Type": PLAIN_TEXT}
        return Answer(200, b"", headers, parts=whole(build.log))


def _is_pipeline(item: Item | None) -> bool:
    kind = getattr(item, "kind", None)
    return kind is not None and bool(kind.pipeline)


def _me(user: str) -> dict[str, Any]:
    return {
        "_class": "hudson.model.User",
        "absoluteUrl": f"http://127.0.0.1/user/{user}",
        "description": None,
        "fullName": user,
        "id": user,
        "property": [],
    }


def _whoami(user: str) -> dict[str, Any]:
    return {
        "_class": "hudson.security.WhoAmI",
        "anonymous": user == ANONYMOUS,
        "authenticated": True,
        "authorities": [ANONYMOUS if user == ANONYMOUS else "authenticated"],
        "name": user,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _plugin_json(value: Any) -> Answer:
    """Such answers carry no ``X-Jenkins``, and are never compressed."""
    return Answer(200, _json(value), JETTY | {"Content-Type": JSON})


def _compressed(answer: Answer, headers: dict[str, str]) -> Answer:
    if "X-Frame-Options" not in answer.headers or "gzip" not in headers.get("accept-encoding", ""):
        return answer
    body = gzip.compress(answer.body, compresslevel=1)
    return Answer(answer.status, body, dict(answer.headers) | {"Content-Encoding": "gzip"})
