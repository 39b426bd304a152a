"""Each field of a run, over builds of a real Jenkins as it exported them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from poller.config.rules import Rule, StageCondition
from poller.jenkins.build import Build
from poller.jenkins.stages.wfapi import WfapiRun, stage_tree
from poller.mapping.evidence import UpstreamBuild
from poller.mapping.map_build import MappedRun
from poller.mapping.names import JobInfo, SeiInstance
from poller.mapping.payload import encode
from tests.support.git_build import map_one
from tests.support.replay import RECORDINGS

IDENTITY = SeiInstance("main", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "https://ci.example.com/")
MADE_BY = (
    UpstreamBuild("chain-2", 1, ({"_class": "hudson.model.Cause$UpstreamCause", "upstreamProject": "chain-1", "upstreamBuild": 1},)),
    UpstreamBuild("chain-1", 1, ({"_class": "hudson.model.Cause$UserIdCause", "userId": "admin"},)),
)  # fmt: skip
RULES = (
    Rule(
        match="p-decl-fail",
        project_name="Shop",
        module_name="web",
        themes=("shop/web",),
        cd=True,
        cfr_status=StageCondition(stage="Deploy", when="ran"),
    ),
)
COMMITS = [
    "d68f13c0e9d4f6ff5cea53be772d1f96015cdc78",
    "49b913739019e5a9cf675f7178ff310ec6fc93d1",
    "91bc701be66e3dca4d8595eebd3ac4124a77cba3",
    "a0393e7d22156a2e05a5b25aa11ab89bc856743f",
]
LEFT_OUT = object()

ROWS: list[tuple[str, str, Any]] = [
    ("mb_feature_2Fone/b1", "pipeline", "mb"),
    ("mb_feature_2Fone/b1", "job_full_name", "mb/feature%2Fone"),
    ("mb_feature_2Fone/b1", "qualified_name", "mb/feature/one"),
    ("mb_feature_2Fone/b1", "branch_name", "feature/one"),
    ("mb_feature_2Fone/b1", "scm_commit_ids", [COMMITS[0]]),
    ("mb_feature_2Fone/b1", "user_id", "SCMTrigger"),
    ("mb_feature_2Fone/b1", "trigger_chain", [{"id": "SCMTrigger", "type": "BranchIndexingCause"}]),
    ("mb_feature_2Fone/b1", "web_url", "http://127.0.0.1:8099/job/mb/job/feature%252Fone/1/"),
    ("git-pipe/b2", "pipeline", "git-pipe"),
    ("git-pipe/b2", "qualified_name", "git-pipe"),
    ("git-pipe/b2", "instance_name", "main"),
    ("git-pipe/b2", "instance_guid", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
    ("git-pipe/b2", "instance_url", "https://ci.example.com/"),
    ("git-pipe/b2", "start_time", 1795493047207),
    ("git-pipe/b2", "duration", 1432),
    ("git-pipe/b2", "result", "SUCCESS"),
    ("git-pipe/b2", "build_number", 2),
    ("git-pipe/b2", "scm_commit_ids", COMMITS),
    ("git-pipe/b2", "repo_url", "file:///srv/jenkins-home/repos/app.git"),
    ("git-pipe/b2", "branch_name", "main"),
    ("git-fs/b2", "scm_commit_ids", COMMITS),
    ("git-fs/b2", "user_id", "SCMTrigger"),
    ("git-fs/b1", "scm_commit_ids", ["38c4b4f9e3e7ef1610aea8d301bd5b476c2f5cca"]),
    ("git-pipe-sha/b1", "branch_name", "v1.0"),
    ("fs-timer/b1", "user_id", "SYSTEM"),
    ("fs-timer/b1", "trigger_chain", [{"id": "unknown", "type": "TimerTriggerCause"}]),
    ("fs-timer/b1", "job_run", None),
    ("fs-timer/b1", "repo_url", LEFT_OUT),
    ("fs-timer/b1", "branch_name", LEFT_OUT),
    ("fs-timer/b1", "scm_commit_ids", []),
    ("fs-timer/b1", "artifacts", LEFT_OUT),
    ("fs-timer/b1", "module_name", LEFT_OUT),
    ("fs-timer/b1", "project_name", LEFT_OUT),
    ("fs-timer/b1", "themes", LEFT_OUT),
    ("fs-timer/b1", "cfr_status", LEFT_OUT),
    ("fs-timer/b1", "ci", True),
    ("fs-timer/b1", "cd", False),
    ("fs-remote-token/b1", "trigger_chain", [{"id": "127.0.0.1", "type": "RemoteCause"}]),
    ("fs-remote-token/b1", "user_id", "SYSTEM"),
    ("fs-unstable/b1", "result", "FAILURE"),
    ("mx/b1", "job_run", None),
    ("chain-3/b1", "user_id", "admin"),
    ("chain-3/b1", "trigger_chain", [
        {"id": "chain-2", "type": "UpstreamCause", "job_run_number": "1", "direct_parents": [
            {"id": "chain-1", "type": "UpstreamCause", "job_run_number": "1", "direct_parents": [
                {"id": "admin", "type": "UserIdCause"},
            ]},
        ]},
    ]),
    ("p-decl-fail/b1", "result", "FAILURE"),
    ("p-decl-fail/b1", "project_name", "Shop"),
    ("p-decl-fail/b1", "module_name", "web"),
    ("p-decl-fail/b1", "themes", ["shop/web"]),
    ("p-decl-fail/b1", "ci", False),
    ("p-decl-fail/b1", "cd", True),
    ("p-decl-fail/b1", "cfr_status", False),
]  # fmt: skip


def run_of(case: str) -> dict[str, Any]:
    """The recorded build as SEI would read it."""
    directory, name = case.split("/")
    here = RECORDINGS / directory
    summary = json.loads((here / "job_summary.json").read_text("utf-8"))
    build = msgspec.json.decode((here / f"{name}_api.json").read_bytes(), type=Build)
    tree = here / f"{name}_wfapi_describe_full.json"
    stages = None
    if tree.exists():
        stages = stage_tree(msgspec.json.decode(tree.read_bytes(), type=WfapiRun))
    full_name = summary["fullName"]
    job = JobInfo(full_name, 0, 0, multibranch=full_name.startswith("mb/"))
    upstream = MADE_BY if directory == "chain-3" else ()
    done = map_one(build, stages, job=job, instance=IDENTITY, upstream=upstream, rules=RULES)
    assert isinstance(done, MappedRun)
    run: dict[str, Any] = json.loads(encode(done.run))
    return run


@pytest.mark.parametrize(("case", "field", "expected"), ROWS)
def test_field(case: str, field: str, expected: Any) -> None:
    """As it was read off the recording by hand."""
    assert expected == run_of(case).get(field, LEFT_OUT)


def test_stages_of_a_recorded_run() -> None:
    """In wfapi's order; a stage that failed says why."""
    stages = run_of("p-decl-fail/b1")["job_run"]["stages"]
    assert [(stage["displayName"], stage["result"], len(stage["steps"])) for stage in stages] == [
        ("Build", "SUCCESS", 1),
        ("Test", "FAILURE", 2),
        ("Deploy", "NOT_BUILT", 0),
        ("Notify", "NOT_BUILT", 0),
        ("Declarative: Post Actions", "SUCCESS", 1),
    ]
    assert stages[1]["displayDescription"] == "script returned exit code 1"
    assert {"startTime": "2026-11-24T04:00:55.714Z", "durationInMillis": 470}.items() <= stages[
        1
    ].items()
