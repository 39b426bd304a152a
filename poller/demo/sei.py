"""A simulated SEI: takes job runs as Harness' custom CI/CD API does, the first of doubles wins."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

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

REQUIRED = (
    "pipeline",
    "job_full_name",
    "qualified_name",
    "instance_name",
    "instance_guid",
    "start_time",
    "duration",
    "result",
)


class Sei(Faulty):
    """``app`` is the ASGI app. ``runs`` holds the first payload of each build, by instance GUID,
    full name and build number; ``received`` all of them. ``guids=None``: every instance exists.
    ``instances`` are the requests for new ones; ``spoilt`` those of ``received`` whose answer was
    not the usual one, so that they may come again.

    With ``hold_answers`` a run is taken and the connection broken off: the answer is lost.
    """

    def __init__(self, key: str = "demo-key", guids: Iterable[str] | None = None) -> None:
        super().__init__()
        self.key = key
        self.guids = None if guids is None else set(guids)
        self.runs: dict[tuple[str, str, int | None], dict[str, Any]] = {}
        self.received: list[dict[str, Any]] = []
        self.spoilt: list[dict[str, Any]] = []
        self.instances: list[Any] = []
        self.hold_answers = False

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = request_of(scope)
        body = await decoded_body(receive)
        fault = await late(self.fault_of(request))
        authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        before = len(self.received)
        answer = self.answered(request, fault, lambda: self._answer(request, authorization, body))
        if fault is not None or self.hold_answers:
            self.spoilt += self.received[before:]
        await send_answer(scope, send, answer)

    def _answer(self, request: Request, authorization: str, body: bytes) -> Answer:
        if authorization != f"ApiKey {self.key}":
            return _json(401, {"error": "Unauthorized"})
        segments = request.path.strip("/").split("/")
        match request.method, segments:
            case "POST", [*_, "custom-cicd"]:
                return self._take(body)
            case "POST", [*_, "cicd", "instances"]:
                return self._new_instance(body)
            case _, [*_, "cicd", "instances"]:
                return _json(405, {"error": "Method Not Allowed"})
            case "GET", [*_, "cicd", "instances", guid]:
                known = self.guids is None or guid in self.guids
                return _json(200, {"id": guid}) if known else _json(404, {"error": "Not Found"})
        return _json(404, {"error": "Not Found"})

    def _new_instance(self, body: bytes) -> Answer:
        try:
            self.instances.append(json.loads(body))
        except ValueError:
            return _json(400, {"error": "no JSON"})
        guid = str(uuid.uuid4())
        if self.guids is not None:
            self.guids.add(guid)
        return _json(200, {"id": guid})

    def _take(self, body: bytes) -> Answer:
        try:
            payload = json.loads(body)
        except ValueError:
            return _json(400, {"error": "no JSON"})
        if not isinstance(payload, dict):
            return _json(400, {"error": "no JSON object"})
        missing = [name for name in REQUIRED if payload.get(name) is None]
        if missing:
            return _json(400, {"error": f"missing: {', '.join(missing)}"})
        self.received.append(payload)
        key = (payload["instance_guid"], payload["job_full_name"], payload.get("build_number"))
        self.runs.setdefault(key, payload)
        if self.hold_answers:
            return Answer(None, break_off=True)
        return _json(202, {})


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


async def decoded_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
