"""A simulated SEI: takes job runs as Harness' custom CI/CD API does, and as SEI's Jenkins plugin
sends them. The first of doubles wins, whichever way it came."""

from __future__ import annotations

import io
import json
import re
import uuid
import zipfile
from collections.abc import Iterable, Mapping
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

PLUGIN_NAMES = {
    "job_name": "pipeline",
    "job_normalized_full_name": "qualified_name",
    "jenkins_instance_guid": "instance_guid",
    "jenkins_instance_name": "instance_name",
    "jenkins_instance_url": "instance_url",
}
"""What SEI's Jenkins plugin calls otherwise."""


class Sei(Faulty):
    """``app`` is the ASGI app. ``runs`` holds the first payload of each build, by instance GUID,
    full name and build number; ``received`` all of them. ``guids=None``: every instance exists.
    ``instances`` are the requests for new ones; ``spoilt`` those of ``received`` whose answer was
    not the usual one, so that they may come again. ``logs`` are the files that came with a run, by
    the same keys as ``runs``; ``forms`` the bodies of those requests.

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
        self.logs: dict[tuple[str, str, int | None], dict[str, bytes]] = {}
        self.forms: list[bytes] = []
        self.hold_answers = False

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = request_of(scope)
        body = await decoded_body(receive)
        fault = await late(self.fault_of(request))
        headers = {name.decode(): text.decode("latin-1") for name, text in scope["headers"]}
        before = len(self.received)
        answer = self.answered(request, fault, lambda: self._answer(request, headers, body))
        if fault is not None or self.hold_answers:
            self.spoilt += self.received[before:]
        await send_answer(scope, send, answer)

    def _answer(self, request: Request, headers: Mapping[str, str], body: bytes) -> Answer:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "apikey" or key != self.key:
            return _json(401, {"error": "Unauthorized"})
        segments = request.path.strip("/").split("/")
        match request.method, segments:
            case "POST", [*_, "custom-cicd"]:
                return self._take(body)
            case "POST", [*_, "generic-requests", "multipart"]:
                return self._take_form(headers.get("content-type", ""), body)
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
        self._keep(payload)
        if self.hold_answers:
            return Answer(None, break_off=True)
        return _json(202, {})

    def _keep(self, payload: dict[str, Any]) -> tuple[str, str, int | None]:
        self.received.append(payload)
        key = (payload["instance_guid"], payload["job_full_name"], payload.get("build_number"))
        self.runs.setdefault(key, payload)
        return key

    def _take_form(self, content_type: str, body: bytes) -> Answer:
        """A run as the plugin sends it: its names are made those of the other way."""
        try:
            parts = form_parts(content_type, body)
            request = json.loads(parts["json"])
            given = json.loads(request["payload"])
            payload = {PLUGIN_NAMES.get(name, name): value for name, value in given.items()}
            files = unzipped(parts["file"]) if "file" in parts else {}
            missing = [name for name in referenced_logs(payload) if name not in files]
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            return _json(400, {"error": f"no form of the plugin: {error}"})
        missing += [name for name in REQUIRED if payload.get(name) is None]
        if missing or request["request_type"] != "JenkinsPluginJobRunComplete":
            return _json(400, {"error": f"missing: {', '.join(missing)}"})
        self.forms.append(body)
        self.logs.setdefault(self._keep(payload), files)
        if self.hold_answers:
            return Answer(None, break_off=True)
        inner = json.dumps({"run_ids": [str(uuid.uuid4())]})
        return _json(200, {"response_type": request["request_type"], "payload": inner})


def form_parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of ``multipart/form-data`` by their names. Raises ValueError, KeyError."""
    boundary = content_type.partition("boundary=")[2].encode()
    if not content_type.startswith("multipart/form-data") or not boundary:
        raise ValueError(f"Content-Type {content_type!r}")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if pieces[0] or pieces[-1].strip() != b"--":
        raise ValueError("boundaries")
    parts = {}
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        name = re.search(rb'Content-Disposition: form-data; name="(\w+)"', head)
        if name is None:
            raise ValueError("a part without a name")
        parts[name[1].decode()] = content
    return parts


def unzipped(content: bytes) -> dict[str, bytes]:
    """The files of a zip. Raises BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def referenced_logs(payload: Mapping[str, Any]) -> list[str]:
    """The UUIDs of all logs of a run. Raises ValueError for one that is none."""
    run = payload.get("job_run") or {}
    stages = run.get("stages", [])
    places = [run, *stages, *(step for stage in stages for step in stage.get("steps", []))]
    return [str(uuid.UUID(place["log"])) for place in places if "log" in place]


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


async def decoded_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
