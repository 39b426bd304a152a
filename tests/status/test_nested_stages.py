"""Stages in stages on the page of a build."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from poller.demo.jenkins.stages import Stage, Step
from poller.ledger import Ledger
from poller.status.build_page import DEEPEST, StageBar, build_page, nested
from poller.status.html import render
from tests.support.site import Site

STEPS = (Step(duration=1_000),)
TREE = (
    Stage("Build", STEPS),
    Stage("Test", inner=(Stage("Unit", STEPS), Stage("Browser", inner=(Stage("Firefox", STEPS),))),
          parallel=True),
    Stage("Deploy", STEPS),
)  # fmt: skip


def bar(name: str) -> StageBar:
    """A stage without a bar."""
    return StageBar(name, "", "SUCCESS", "FINISHED", 0, None)


def names(stages: Sequence[StageBar]) -> list[object]:
    """Names, and lists of those in a stage."""
    found: list[object] = []
    for stage in stages:
        found += [stage.name, names(stage.inner)] if stage.inner else [stage.name]
    return found


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ((0, 1, 1, 0), ["a", ["b", "c"], "d"]),
        ((0, 1, 2, 1), ["a", ["b", ["c"], "d"]]),
        ((0, 7, 0, 1), ["a", ["b"], "c", ["d"]]),
        ((), ["a", "b", "c", "d"]),
        ((0, 1), ["a", "b", "c", "d"]),
    ],
)
def test_each_lies_in_the_last_one_above_it(depths: Sequence[int], expected: list[object]) -> None:
    """A list, where nothing fits."""
    assert expected == names(nested([bar(name) for name in "abcd"], depths))


def test_no_deeper_than_a_page_can_show() -> None:
    """A pipeline may nest as it likes."""
    stages = nested([bar("x") for _ in range(2_000)], range(2_000))
    levels = 0
    while stages:
        levels, stages = levels + 1, stages[0].inner
    assert levels == DEEPEST + 1


@pytest.mark.parametrize("plugin", ["graph-view", "wfapi"])
def test_on_the_page(site: Site, plugin: str) -> None:
    """Nested as Pipeline Graph View tells it, each bar where its stage lies; a list of wfapi."""
    site.jenkins.plugins = {plugin: 877}
    site.jenkins.job("app").build(stages=TREE)
    site.run("once")
    with Ledger(site.ledger, read_only=True) as ledger:
        shown = build_page(ledger, 1)
    assert shown is not None
    assert shown.stages is not None
    page = render("build.html", 0, p=shown, log=None).decode()
    if plugin == "wfapi":
        assert names(shown.stages) == ["Build", "Test", "Unit", "Browser", "Firefox", "Deploy"]
        assert page.count('<ol class="stages">') == 1
        return
    assert names(shown.stages) == ["Build", "Test", ["Unit", "Browser", ["Firefox"]], "Deploy"]
    assert page.count('<ol class="stages">') == 3
    test = shown.stages[1]
    assert test.span is not None
    for inner in (*test.inner, *test.inner[1].inner):
        assert inner.span is not None
        assert test.span.left <= inner.span.left
        assert inner.span.left + inner.span.width <= test.span.left + test.span.width + 0.1
