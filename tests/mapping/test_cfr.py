"""`cfr_status` as a fixed word, and as what a stage did."""

from __future__ import annotations

import msgspec
import pytest

from poller.config.rules import StageCondition
from poller.jenkins.stage import StageTree
from poller.jenkins.stages.wfapi import FlowNode, NodeError, WfapiRun, WfapiStage, stage_tree
from poller.mapping.rules import cfr_status
from tests.support.replay import RECORDINGS

STEPS = [FlowNode("9", "Shell Script", "SUCCESS")]
BROKE = NodeError("script returned exit code 1")


def stage(
    name: str, status: str, *, steps: bool = True, error: NodeError | None = None
) -> WfapiStage:
    """A stage."""
    return WfapiStage(name, name, status, error=error, stageFlowNodes=STEPS if steps else [])


def tree_of(stages: list[WfapiStage]) -> StageTree:
    """What wfapi tells as those."""
    return stage_tree(WfapiRun("1", stages))


DEPLOYED = tree_of([stage("Deploy", "SUCCESS")])
ROLLED_BACK = tree_of([stage("Deploy", "FAILED", error=BROKE), stage("Rollback to 1.0", "SUCCESS")])
ROLLBACK_FAILED = tree_of([stage("Rollback", "FAILED", error=BROKE)])
SKIPPED = tree_of([stage("Rollback", "NOT_EXECUTED", steps=False)])
PASSED_OVER = tree_of(
    [stage("Deploy", "FAILED", error=BROKE), stage("Rollback", "FAILED", steps=False, error=BROKE)],
)  # fmt: skip
PAUSED = tree_of([stage("Rollback", "ABORTED")])


@pytest.mark.parametrize(
    ("tree", "ran", "failed"),
    [
        (DEPLOYED, False, False),
        (ROLLED_BACK, True, False),
        (ROLLBACK_FAILED, True, True),
        (SKIPPED, False, False),
        (PASSED_OVER, False, False),
        (PAUSED, True, False),
        (StageTree(), False, False),
        (None, None, None),
    ],
)
def test_of_a_stage(tree: StageTree | None, ran: bool | None, failed: bool | None) -> None:
    """That ran, or failed; a stage passed over after a failure did neither."""
    assert ran == cfr_status(StageCondition(stage="Rollback*", when="ran"), tree)
    assert failed == cfr_status(StageCondition(stage="Rollback*", when="failed"), tree)


@pytest.mark.parametrize("setting", [True, False, None])
def test_fixed(setting: bool | None) -> None:
    """Whatever the stages say."""
    assert setting is cfr_status(setting, ROLLED_BACK)


def test_recorded_stages_that_were_passed_over() -> None:
    """Of a real declarative pipeline: Test failed, Deploy and Notify never ran."""
    body = (RECORDINGS / "p-decl-fail/b1_wfapi_describe_full.json").read_bytes()
    tree = stage_tree(msgspec.json.decode(body, type=WfapiRun))
    ran = [
        name
        for name in ("Build", "Test", "Deploy", "Notify", "Declarative: Post Actions")
        if cfr_status(StageCondition(stage=name, when="ran"), tree)
    ]
    assert ran == ["Build", "Test", "Declarative: Post Actions"]
    assert cfr_status(StageCondition(stage="Test", when="failed"), tree)
