"""Which stages of wfapi were skipped, though it calls them failed: as seen on a real Jenkins."""

from __future__ import annotations

import pytest

from poller.jenkins.stages.wfapi import FlowNode, NodeError, WfapiRun, WfapiStage, stage_tree

EXIT = NodeError("script returned exit code 1", "hudson.AbortException")
OTHER = NodeError("script returned exit code 1", "java.io.IOException")
STOPPED = NodeError(None, "org.jenkinsci.plugins.workflow.steps.FlowInterruptedException")
S, F, A, N = "SUCCESS", "FAILED", "ABORTED", "NOT_EXECUTED"
RAN, FAILED, ABORTED, SKIPPED = (
    ("SUCCESS", "FINISHED"), ("FAILURE", "FINISHED"), ("ABORTED", "FINISHED"), ("NOT_BUILT", "SKIPPED"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        # After a failure: the same error again, no steps. What only holds others is SUCCESS.
        ([(S, 1, None), (F, 1, EXIT), (S, 0, None), (F, 0, EXIT), (F, 0, EXIT), (S, 2, None)],
         [RAN, FAILED, RAN, SKIPPED, SKIPPED, RAN]),
        # Without a step, but the first of its error: it threw in its script block.
        ([(F, 0, EXIT), (F, 0, EXIT)], [FAILED, SKIPPED]),
        # With steps, it failed itself, whatever the error says.
        ([(F, 1, EXIT), (F, 1, EXIT)], [FAILED, FAILED]),
        ([(F, 1, EXIT), (F, 0, OTHER)], [FAILED, FAILED]),
        # After an abort, or no agent in time.
        ([(S, 1, None), (A, 1, STOPPED), (A, 0, STOPPED)], [RAN, ABORTED, SKIPPED]),
        ([(A, 0, STOPPED), (A, 0, STOPPED)], [ABORTED, SKIPPED]),
        # catchError with a stageResult: failed without an error, and the next one ran.
        ([(F, 1, None), (F, 0, None)], [FAILED, FAILED]),
        # By when; one that wfapi does not tell from an empty stage.
        ([(N, 0, None), (S, 0, None)], [SKIPPED, RAN]),
    ],
)  # fmt: skip
def test_which(
    told: list[tuple[str, int, NodeError | None]], expected: list[tuple[str, str]]
) -> None:
    """Only those that failed have failed, and only they say why."""
    stages = [
        WfapiStage(
            str(place), "same name", status, error=error, stageFlowNodes=[FlowNode("9")] * steps
        )
        for place, (status, steps, error) in enumerate(told, 1)
    ]
    found = stage_tree(WfapiRun("1", stages)).stages
    assert expected == [(stage.result, stage.state) for stage in found]
    assert [bool(stage.description) for stage in found] == [
        outcome == FAILED and error is not None
        for outcome, (_, _, error) in zip(expected, told, strict=True)
    ]


def test_a_stage_that_was_not_executed_needs_no_steps() -> None:
    """Where the key is left out of any other stage, the plugin is an old one."""
    ran, left_out = WfapiStage("3", "Build", S, stageFlowNodes=[]), WfapiStage("5", "Test", N)
    assert WfapiRun("1", [ran, left_out]).has_steps
    assert not WfapiRun("1", [ran, WfapiStage("5", "Test", S)]).has_steps
    assert not stage_tree(WfapiRun("1", [ran, left_out])).stages[1].steps
