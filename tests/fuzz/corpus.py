"""Good answers to be made hostile: what a real Jenkins was recorded to say, and what the simulated
servers say to the program's own questions, with planted secrets where something has to hide them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from poller.demo.jenkins.items import Jenkins
from poller.demo.jenkins.stages import Stage, Step
from poller.demo.sei import Sei
from poller.jenkins.build import BUILD_TREE, CAUSES_TREE, SUMMARY_TREE
from poller.jenkins.client import RUNNING_TREE
from poller.jenkins.discovery import tree
from tests.support.git_build import build_data, git_changes
from tests.support.replay import RECORDINGS
from tests.support.simulated_iacm import Harness
from tests.support.simulated_iacm_site import HARNESS_KEY
from tests.support.site import GUID, KEY, TOKEN

PLANTED_SECRET = "ghp" + "_" + "FuzzCanaryFuzzCanaryFuzzCanaryFuzz0001"
"""Looks like a secret, wherever it stands."""

PASSWORD = "parameter-canary-5a17c0ffee"
"""The value of a parameter that hides by its name; it stands in the console log, too."""

SECRETS = (PLANTED_SECRET, PASSWORD, TOKEN, KEY, HARNESS_KEY)
"""What no output of any kind may hold."""

LARGEST = 48 * 1024
"""Bytes of a seed: what is larger is left out, so that there is time for many."""

SHA = "0123456789abcdef0123456789abcdef01234567"
ROOT = "https://jenkins.test/"
NOW = 1_700_000_000_000

SATELLITE = (
    b"satellite:\n  tenant: acme\n  api_key: %b\nintegrations:\n  - id: '4711'\n" % KEY.encode()
)
ONE_ARTIFACT = {"type": "container", "location": "registry/app", "name": "app", "qualifier": "1.0"}
MANIFESTS = (
    json.dumps(
        {
            "artifacts": [
                {
                    **ONE_ARTIFACT,
                    "output": True,
                    "metadata": {"a": PLANTED_SECRET, "deep": {"n": [1]}},
                }
            ]
        }
    ).encode(),
    json.dumps(
        {"artifact": {**ONE_ARTIFACT, "hash": 12, "location": f"https://x:{PLANTED_SECRET}@h/"}}
    ).encode(),
    json.dumps({**ONE_ARTIFACT, "name": "Größe"}, ensure_ascii=False).encode("utf-16"),
)
LOG = (
    "Started by user alice\n\x1b[8mha:////4AAAAAx\x1b[0mRunning on agent\r\n"
    f"+ curl -H 'Authorization: Bearer {PLANTED_SECRET}' https://u:{PLANTED_SECRET}@host/\n"
    f"export PW={PASSWORD}\n\x1b[31mred\x1b[0m \x1b]0;title\x07 50%\r100%\n"
    f"pushed registry/team/app:1.{PASSWORD}\nChecking out Revision {SHA}\n"
    "-----BEGIN RSA PRIVATE KEY-----\n" + "QUJD" * 16 + "\n-----END RSA PRIVATE KEY-----\n"
    "Größe 🦊 \x85 done\nFinished: FAILURE\n"
).encode()

CONFIG = f"""\
[[controllers]]
name = "main"
url = "{ROOT}"
user = "reader"
token_env = "JENKINS_TOKEN"
instance_guid = "{GUID}"
since = "all"
include = ["**", "team/*-?"]
exclude = ["sandbox/**"]
logs = "all"
tests = "cases"
log_limit = "64KiB"
timeout = "2s"

[sei]
base_url = "https://sei.test/sei/api/v1/"
api_key_env = "SEI_API_KEY"
ignore_repos = ["*/library.git"]

[sei.results]
NOT_BUILT = "skip"

[harness]
url = "https://harness.test/"
account = "acc"
org = "org"
project = "project"
api_key_env = "HARNESS_API_KEY"

[redact]
names = ["*session*"]
patterns = ["corp-[0-9a-f]{{32}}"]

[[rules]]
match = "team/**"
project_name = "Team"
themes = ["a"]
cfr_status = {{ stage = "Roll*", when = "ran" }}
primary_repo = "*/app.git"
archived_files = ["**/*.jar"]
results = {{ UNSTABLE = "SUCCESS" }}
iacm_workspace = "network"

[[extract]]
match = "**"
artifact = {{ pattern = 'pushed (?P<location>\\S+)/(?P<name>[^/:]+):(?P<qualifier>\\S+)', type = "container", output = true }}

[[extract]]
match = "**"
commit = {{ pattern = 'Checking out Revision (?P<commit>[0-9a-f]{{40}})' }}

[status]
listen = "127.0.0.1:9155"
"""
ENVIRON = {"JENKINS_TOKEN": TOKEN, "SEI_API_KEY": KEY, "HARNESS_API_KEY": HARNESS_KEY}

HEADERS = (
    b"Content-Type: application/json;charset=utf-8\nX-Jenkins: 2.448\nX-Jenkins-Session: 1a2b3c4d\n"
    b"X-Instance-Identity: MIIB\nX-Text-Size: 12530\nX-More-Data: true\n"
    b"Date: Sat, 23 Nov 2024 10:00:00 GMT\nRetry-After: 30\nLocation: https://h:8443/login?from=%2F\n"
    b"X-Page-Number: 0\nX-Page-Size: 100\nX-Total-Elements: 250\nContent-Encoding: identity\n"
    b"Set-Cookie: JSESSIONID=node01; Path=/; HttpOnly\n"
)
SEARCHES = (b"team/app #17", b'"connection refused" app*', b"a.b-c_d", b'"open', b"x OR (y) NEAR z")

Seeds = Mapping[str, list[bytes]]
"""Good answers, by what is asked."""


def seeds(recordings: Path = RECORDINGS) -> Seeds:
    """All of them."""
    found = {kind: _recorded(recordings, patterns) for kind, patterns in RECORDED.items()}
    for kind, bodies in asyncio.run(_simulated()).items():
        found.setdefault(kind, []).extend(bodies)
    found["manifest"] = list(MANIFESTS)
    # The last of each kind is what the others get beside a hostile answer.
    found["console"] += [LOG, LOG.replace(PASSWORD.encode(), b"x")]
    for kind in ("step_log", "test_report"):
        found[kind].append(found[kind][-1].replace(PASSWORD.encode(), b"x"))
    found["progressive"] = [LOG]
    found["satellite"] = [SATELLITE]
    found["config"] = [CONFIG.encode(), Path("config/poller.example.toml").read_bytes()]
    found["headers"] = [HEADERS]
    found["search"] = list(SEARCHES)
    found["url"] = [b"http://127.0.0.1:8080/jenkins/job/a/job/b%252Fc/17/", b"https://u:p@h/x.git"]
    return found


RECORDED = {
    "builds": ("*/job_builds_full.json",),
    "heads": ("*/job_allBuilds_0_10.json",),
    "build": ("*/b*_api.json",),
    "origin": ("*/b1_api.json",),
    "describe": ("*/*_wfapi_describe_full.json",),
    "runs": ("*/wfapi_runs_fullStages.json",),
    "console": ("*/*_progressive.txt",),
    "running": ("computer/*.json",),
    "items": ("errors/reader_root_list.json",),
}


def _recorded(recordings: Path, patterns: tuple[str, ...]) -> list[bytes]:
    files = sorted(path for pattern in patterns for path in recordings.glob(pattern))
    bodies = dict.fromkeys(path.read_bytes() for path in files)
    return [body for body in bodies if 2 < len(body) <= LARGEST]


CASE = {
    "className": "shop.CartTest", "name": f"token={PLANTED_SECRET}", "status": "FAILED",
    "duration": 0.012, "errorDetails": f"expected {PASSWORD}", "errorStackTrace": "at x\n at y",
}  # fmt: skip


def rich(jenkins: Jenkins) -> None:
    """Builds that have of everything something."""
    jenkins.multibranch("team/mb")
    upstream = jenkins.job("team/up").build(timestamp=NOW - 9_000_000)
    for name in ("team/app", "team/mb/feature%2Fone", "good"):
        job = jenkins.job(name)
        for age in range(3, 0, -1):
            build = job.start(
                timestamp=NOW - age * 3_600_000,
                stages=[
                    Stage("Build", (Step(parameter_description=f"deploy --token {PLANTED_SECRET}"),)),
                    Stage(
                        "Terraform",
                        (Step(status="FAILURE", log=LOG.decode("latin-1")),), status="FAILED",
                        error={"message": f"bad password={PLANTED_SECRET}", "type": "x.Y"},
                    ),
                ],
                actions=_actions(upstream.number),
                change_sets=[git_changes(SHA, SHA[::-1])],
            )  # fmt: skip
            build.archive("out/sei-artifacts.json", MANIFESTS[0])
            build.archive("target/app.jar", b"PK")
            build.log = LOG.decode("latin-1")
            build.report_tests([{"name": "s", "cases": [CASE, CASE | {"status": "PASSED"}]}])
            build.finish("FAILURE", 60_000)
    jenkins.job("team/free", kind="freestyle").build(timestamp=NOW - 5_000_000)
    jenkins.job("team/app").start(timestamp=NOW - 1_000)


def _actions(upstream: int) -> list[dict[str, object]]:
    parameters = [
        {
            "_class": "hudson.model.StringParameterValue",
            "name": "ARGS",
            "value": f"-x {PLANTED_SECRET}",
        },
        {"_class": "hudson.model.StringParameterValue", "name": "DB_PASSWORD", "value": PASSWORD},
        {"_class": "hudson.model.RunParameterValue", "name": "R", "jobName": "a", "number": 7},
        {"_class": "hudson.model.BooleanParameterValue", "name": "B", "value": True},
        {"_class": "x.ListValue", "name": "L", "value": ["a", 1, None]},
    ]
    causes = [
        {
            "_class": "hudson.model.Cause$UpstreamCause",
            "upstreamProject": "team/up",
            "upstreamBuild": upstream,
        },
        {"_class": "hudson.model.Cause$UserIdCause", "userId": "alice"},
    ]
    return [
        {"_class": "hudson.model.CauseAction", "causes": causes},
        {"_class": "hudson.model.ParametersAction", "parameters": parameters},
        {},
        {"_class": "hudson.tasks.junit.TestResultAction", "failCount": 1, "totalCount": 2},
        build_data(f"https://bob:{PLANTED_SECRET}@git.test/app.git", "refs/remotes/origin/main", SHA),
    ]  # fmt: skip


async def _simulated() -> dict[str, list[bytes]]:
    """What the simulated servers answer."""
    jenkins, sei, harness = Jenkins(clock=lambda: NOW), Sei(), Harness(HARNESS_KEY)
    rich(jenkins)
    jenkins.plugins = {"wfapi": 238, "graph-view": 877, "blue-ocean": 1}
    harness.record(
        {"pipeline": "p", "pipeline_execution_id": "e", "pipeline_stage_id": "s", "workspace": "w"}
    )
    found: dict[str, list[bytes]] = {}
    async with httpx.AsyncClient(transport=_to(jenkins.app), base_url=ROOT) as http:
        for kind, path, params in QUESTIONS:
            answer = await http.get(path, params=params, auth=("reader", TOKEN))
            assert answer.status_code == 200, (path, answer.status_code)
            found.setdefault(kind, []).append(answer.content)
    async with httpx.AsyncClient(transport=_to(sei.app), base_url=ROOT) as http:
        key = {"Authorization": f"ApiKey {KEY}"}
        one = await http.get(f"cicd/instances/{GUID}", headers=key)
        other = await http.post("custom-cicd", content=b"{}", headers=key)
        found["sei"] = [one.content, other.content, f'{{"error":"no key {KEY}"}}'.encode()]
    async with httpx.AsyncClient(transport=_to(harness.app), base_url=ROOT) as http:
        asked = {"x-api-key": HARNESS_KEY, "Harness-Account": "acc"}
        answer = await http.get(
            "iacm/api/orgs/org/projects/project/executions?page=0", headers=asked
        )
        found["executions"] = [answer.content]
        found["execution"] = [json.dumps(answer.json()[0]).encode()]
    return found


def _to(app: Any) -> httpx.ASGITransport:
    return httpx.ASGITransport(app)


APP, FREE = "job/team/job/app/", "job/team/job/free/"
BLUE = "blue/rest/organizations/"
QUESTIONS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("items", "api/json", {"tree": tree(4, first=True)}),
    ("items", "api/json", {"tree": tree(1, first=False)}),
    ("items", "job/team/api/json", {"tree": tree(2, first=False)}),
    ("running", "computer/api/json", {"tree": RUNNING_TREE}),
    ("builds", APP + "api/json", {"tree": f"builds[{BUILD_TREE}]{{0,100}}"}),
    ("builds", FREE + "api/json", {"tree": f"builds[{BUILD_TREE}]{{0,100}}"}),
    ("heads", APP + "api/json", {"tree": "allBuilds[number,timestamp,queueId]"}),
    ("summaries", APP + "api/json", {"tree": f"builds[{SUMMARY_TREE}]{{0,100}}"}),
    ("build", APP + "1/api/json", {"tree": BUILD_TREE}),
    ("origin", APP + "1/api/json", {"tree": CAUSES_TREE}),
    ("describe", APP + "1/wfapi/describe", {"fullStages": "true"}),
    ("step_log", APP + "1/execution/node/12/wfapi/log", {}),
    ("test_report", APP + "1/testReport/api/json", {}),
    ("runs", APP + "wfapi/runs", {"fullStages": "true"}),
    ("graph_stages", APP + "1/stages/tree", {}),
    ("graph_steps", APP + "1/stages/allSteps", {}),
    ("organizations", BLUE, {}),
    ("blue_nodes", BLUE + "jenkins/pipelines/team/pipelines/app/runs/1/nodes/", {}),
    ("blue_steps", BLUE + "jenkins/pipelines/team/pipelines/app/runs/1/steps/", {}),
    ("user", "me/api/json", {}),
)
"""What the program asks Jenkins, by the kind of the answer."""
