"""Answers of plugins that no plugin should give: no traceback, no build held back."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.support.site import Site

JSON = {"Content-Type": "application/json;charset=utf-8"}
HOUR = 3_600_000
START = 1_760_000_000_000


def graph_stage(node: Any, **changes: Any) -> dict[str, Any]:
    """A stage of Pipeline Graph View."""
    usual = {"id": node, "name": f"S{node}", "state": "success", "type": "STAGE"}
    times = {"startTimeMillis": START, "totalDurationMillis": 5, "children": []}
    return {**usual, **times, **changes}


def graph_step(node: Any, stage: Any, **changes: Any) -> dict[str, Any]:
    """A step of Pipeline Graph View."""
    return {**graph_stage(node), "type": "STEP", "stageId": stage, **changes}


def deep(levels: int) -> str:
    """One stage in the other, as text: Python's own JSON gives up before."""
    opened = "".join(
        json.dumps(graph_stage(str(level)))[:-3] + "[" for level in range(1, levels + 1)
    )
    return f'{{"status": "ok", "data": {{"complete": true, "stages": [{opened}{"]}" * levels}]}}}}'


CYCLE = graph_stage("1", nextSibling=graph_stage("2", nextSibling=graph_stage("1")))
GOOD = [graph_stage("1")]
GRAPH: dict[str, tuple[Any, Any, int | str]] = {
    "100,000 stages": ([graph_stage(str(n)) for n in range(1, 100_001)], [], "larger than"),
    "100,000 small stages": (
        [{"id": str(n), "state": "skipped"} for n in range(1, 100_001)], [], 100_000,
    ),
    # From 3.12 on, Python lets C code go deeper than its own.
    "999 deep": (deep(999), [], "nested too deeply" if sys.version_info < (3, 12) else 999),
    "50,000 deep": (deep(50_000), [], "nested too deeply"),
    "100 deep": (deep(100), [graph_step("200", "100")], 100),
    "a cycle in nextSibling": ([CYCLE], [], 1),
    "two of one id": ([graph_stage("1"), graph_stage("1")], [graph_step("2", "1")] * 2, 1),
    "children null": ([graph_stage("1", children=None)], [], 1),
    "an id that is no number": ([graph_stage("one")], [graph_step("x", "one")], 1),
    "an id that is no text": ([graph_stage(1)], [], "Expected"),
    "times of 0": ([graph_stage("1", startTimeMillis=0, totalDurationMillis=0)], [], 1),
    "times in the future": ([graph_stage("1", startTimeMillis=START * 3)], [], 1),
    "times after all": ([graph_stage("1", startTimeMillis=10**18)], [], "Expected"),
    "a negative duration": ([graph_stage("1", totalDurationMillis=-9)], [], 1),
    "a step without a stage": (GOOD, [graph_step("2", "77"), graph_step("3", None)], 1),
    "steps null": (GOOD, None, "not complete"),
    "stages null": (None, [], "not complete"),
    "a new state": ([graph_stage("1", state="frozen")], [], 1),
    "names of another script": ([graph_stage("1", name="é" * 90_000)], [], 1),
    "half a character": ([graph_stage("1", name="\ud800")], [], "utf-16"),
}  # fmt: skip


def tell(
    site: Site, where: str, what: Any, status: int = 200, content: str = JSON["Content-Type"]
) -> None:
    """Have an address answer so."""
    body = what if isinstance(what, str) else json.dumps(what)
    site.jenkins.fail(f"*{where}", status=status, body=body.encode("utf-8", "surrogatepass"),
                      headers={"Content-Type": content})  # fmt: skip


def sent(site: Site) -> tuple[int | None, str]:
    """Stages of the one run that was sent, None where it has none; and what was missing."""
    result = site.run("once")
    assert result.returncode == 0, result.stdout + result.stderr
    (run,) = site.sei.received
    (row,) = site.read("status")["controllers"]
    stages = run["job_run"]
    why = "".join(one["why"] for one in row["incomplete"]["newest"])
    return (None if stages is None else len(stages["stages"])), why


@pytest.mark.parametrize("case", GRAPH)
def test_of_pipeline_graph_view(site: Site, case: str) -> None:
    """Its stages, or the reason why they are missing."""
    stages, steps, expected = GRAPH[case]
    site.configure(site.controller(answer_limit="8MiB"))
    site.jenkins.plugins = {"graph-view": 877}
    site.jenkins.job("app").build()
    tree = {"status": "ok", "data": {"complete": True, "stages": stages}}
    tell(site, "/stages/tree", stages if isinstance(stages, str) else tree)
    tell(
        site, "/stages/allSteps", {"status": "ok", "data": {"runIsComplete": True, "steps": steps}}
    )
    count, why = sent(site)
    if isinstance(expected, str):
        assert count is None
        assert expected in why
    elif expected < 1_000:
        assert (count, why) == (expected, "")
    else:
        assert count == 0, "left out for the size of the payload"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": "error", "message": "no"}, "status error"),
        ({"status": "ok", "data": {"complete": False, "stages": []}}, "not complete"),
        ({"status": "ok"}, "status ok"),
        ([], "Expected"),
        ("<html>log in</html>", "text/html"),
        ("", "truncated"),
    ],
)
def test_what_is_no_tree(site: Site, answer: Any, why: str) -> None:
    """It is never read as one without stages: the next plugin is asked."""
    site.jenkins.plugins = {"graph-view": 877}
    site.jenkins.job("app").build()
    content = "text/html" if isinstance(answer, str) and answer else JSON["Content-Type"]
    tell(site, "/stages/tree", answer, content=content)
    count, missing = sent(site)
    assert count is None
    assert why in missing
    assert "Blue Ocean: not installed" in missing
    site.jenkins.plugins["blue-ocean"] = 1
    site.jenkins.session = "another"
    site.jenkins.job("app").build()
    site.run("once")
    assert site.sei.received[-1]["job_run"]["stages"]


def wfapi_stage(node: Any, **changes: Any) -> dict[str, Any]:
    """A stage of wfapi."""
    usual = {"id": node, "name": f"S{node}", "status": "SUCCESS", "stageFlowNodes": []}
    return {**usual, "startTimeMillis": START, "durationMillis": 5, **changes}


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([wfapi_stage("1"), wfapi_stage("1"), wfapi_stage("1", name="other")], 1),
        ([wfapi_stage("x"), wfapi_stage(None), wfapi_stage("")], 1),
        ([wfapi_stage("1", startTimeMillis=0), wfapi_stage("2", startTimeMillis=START * 3)], 2),
        ([wfapi_stage("../../x", stageFlowNodes=None)], "without id"),
        ([wfapi_stage(str(n), stageFlowNodes=None) for n in range(1, 1_001)], "too many"),
        (None, "Expected"),
    ],
)
def test_of_wfapi(site: Site, stages: Any, expected: int | str) -> None:
    """The same of the oldest."""
    site.jenkins.job("app").build()
    tell(site, "/wfapi/describe", {"id": "1", "stages": stages})
    tell(site, "/wfapi/runs", [{"id": "1", "stages": stages}])
    count, why = sent(site)
    if isinstance(expected, str):
        assert count is None
        assert expected in why
    else:
        assert (count, why) == (expected, "")


def blue_node(node: Any, **changes: Any) -> dict[str, Any]:
    """A node of Blue Ocean."""
    usual = {"id": node, "displayName": f"S{node}", "result": "SUCCESS", "state": "FINISHED"}
    times = {"startTime": "2025-10-09T08:53:20.000+0000", "durationInMillis": 5, "type": "STAGE"}
    return {**usual, **times, **changes}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([blue_node("1"), blue_node("1")], 1),
        ([blue_node("one"), blue_node("../..", type="PARALLEL")], 2),
        ([blue_node("1", startTime="yesterday"), blue_node("2", startTime="9999-12-31T23:59:59Z")], 2),
        ([blue_node("1", result=None, state=None)], 0),
        ([blue_node(str(n), type="PARALLEL") for n in range(1, 1_001)], "too many"),
        ({"nodes": []}, "Expected"),
    ],
)  # fmt: skip
def test_of_blue_ocean(site: Site, nodes: Any, expected: int | str) -> None:
    """And of the last."""
    site.jenkins.plugins = {"blue-ocean": 1}
    site.jenkins.job("app").build()
    tell(site, "/nodes/", nodes)
    count, why = sent(site)
    if isinstance(expected, str):
        assert count is None
        assert expected in why
    else:
        assert (count, why) == (expected, "")
