"""A run with its logs in the form of SEI's own Jenkins plugin: one multipart body. Pure.

Read in the plugin's source; SEI documents it for nobody. The values are those of the documented
payload. The same run with the same logs gives the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import msgspec

from poller.core.kept_log import HeadAndTail
from poller.delivery.failed_logs.junit import junit_files
from poller.ledger.logs.failures import FailedTest

REQUEST_TYPE = "JenkinsPluginJobRunComplete"
REPORTS = "levelops_junit_reports.zip"

NAMES = {
    "pipeline": "job_name",
    "qualified_name": "job_normalized_full_name",
    "instance_guid": "jenkins_instance_guid",
    "instance_name": "jenkins_instance_name",
    "instance_url": "jenkins_instance_url",
    **{
        same: same
        for same in (
            "job_full_name", "user_id", "job_run_params", "repo_url", "start_time", "result",
            "duration", "build_number", "job_run", "branch_name", "module_name", "scm_commit_ids",
            "trigger_chain", "artifacts", "ci", "cd",
        )
    },
}  # fmt: skip
"""SEI's documented name: the plugin's. What has none there is not in the form."""

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The date of every member: the earliest that a zip can have."""


@dataclass(frozen=True)
class LogText:
    """The masked text of a step's log, by the ids of its stage and step; of a stage's without
    ``step``; of the whole run's without both."""

    text: bytes
    stage: str = ""
    step: str | None = None


@dataclass(frozen=True)
class LogLimits:
    """The most bytes that are sent of a log, and of all logs of a build."""

    log: int
    build: int


@dataclass(frozen=True)
class PluginForm:
    """A request's body with its ``Content-Type``."""

    content_type: str
    body: bytes


def plugin_form(
    payload: bytes, texts: Sequence[LogText], tests: Sequence[FailedTest], limits: LogLimits
) -> PluginForm:
    """The form of a documented payload with the logs of its run, and the tests that failed."""
    run = msgspec.json.decode(payload)
    uuid = UUID(run["execution_id"])
    members = _placed(run, uuid, texts, limits)
    if tests and len(reports := zipped(junit_files(tests))) <= limits.log:
        members[REPORTS] = reports
    given = {NAMES[name]: value for name, value in run.items() if name in NAMES}
    request = {"request_type": REQUEST_TYPE, "payload": msgspec.json.encode(given).decode()}
    return _multipart(uuid5(uuid, "boundary").hex, msgspec.json.encode(request), zipped(members))


def _placed(
    run: dict[str, Any], uuid: UUID, texts: Sequence[LogText], limits: LogLimits
) -> dict[str, bytes]:
    """Give the run, its stages and its steps the UUIDs of their logs; the logs by those."""
    members: dict[str, bytes] = {}
    left = limits.build
    for text in texts:
        place = _place_of(run, text)
        size = min(limits.log, left)
        if "log" in place or not size:
            continue
        name = str(uuid5(uuid, f"log {text.stage} {text.step or ''}"))
        members[name] = cut(text.text, size)
        left -= len(members[name])
        place["log"] = name
    return members


def _place_of(run: dict[str, Any], text: LogText) -> dict[str, Any]:
    """The step of the log; where the payload had no room for that its stage, or the run."""
    place = run["job_run"] = run.get("job_run") or {
        "name": run["pipeline"],
        "result": run["result"],
        "durationInMillis": run["duration"],
        "startTime": str(run["start_time"]),
        "job_normalized_full_name": run["qualified_name"],
        "stages": [],
    }
    for inner, wanted in (("stages", text.stage), ("steps", text.step)):
        found = [one for one in place.get(inner, ()) if one["id"] == wanted]
        if not found:
            break
        place = found[0]
    return place


def cut(text: bytes, limit: int) -> bytes:
    """Its beginning and its end, no more than the limit but for a line that says so."""
    if len(text) <= limit:
        return text
    kept = HeadAndTail(limit)
    kept.add(text)
    return kept.text()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip, the same to the byte for the same members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, FIRST_DAY), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _multipart(boundary: str, request: bytes, logs: bytes) -> PluginForm:
    head = '--{0}\r\nContent-Disposition: form-data; name="{1}"; filename="{2}"\r\n\r\n'
    parts = (("json", "json", request), ("file", "logs.zip", logs))
    body = [
        piece
        for name, file_name, content in parts
        for piece in (head.format(boundary, name, file_name).encode(), content, b"\r\n")
    ]
    content_type = f"multipart/form-data; boundary={boundary}"
    return PluginForm(content_type, b"".join((*body, f"--{boundary}--\r\n".encode())))
