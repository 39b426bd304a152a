"""Stage trees: the same from each plugin of Jenkins, found by itself, and no reason to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poller.core.errors import RemoteError
from poller.demo.jenkins.items import Jenkins
from poller.demo.jenkins.stages import Stage as Ran
from poller.demo.jenkins.stages import Step as Did
from poller.demo.server import Server
from poller.http.client import Connection
from poller.jenkins.build_pages import newest_builds
from poller.jenkins.client import JenkinsClient
from poller.jenkins.stage import StageTree
from poller.ledger import Ledger
from poller.polling.extras.stage_trees import StageTrees
from tests.support.site import TOKEN, Site, served

ERROR = {"message": "script returned exit code 1", "type": "hudson.AbortException"}
NEWEST = {"wfapi": 238, "graph-view": 877, "blue-ocean": 1}
TWO_STEPS = (Did(parameter_description="make"), Did("Print Message", duration=7))


@pytest.fixture(scope="module")
def jenkins() -> Jenkins:
    """One for all: each test has a job of its own."""
    return Jenkins()


@pytest.fixture(scope="module")
def server(jenkins: Jenkins) -> Iterator[Server]:
    """It, served."""
    with served(jenkins.app) as server:
        yield server


def ask(
    server: Server, full_name: str, *, ledger: Ledger | None = None, setting: str = "auto"
) -> dict[int, StageTree | str | RemoteError]:
    """The trees of the job's builds, by a program that starts anew."""

    async def asked() -> dict[int, StageTree | str | RemoteError]:
        client = JenkinsClient("main", Connection(server.url, 5_000, 4), "reader", TOKEN)
        try:
            builds = (await newest_builds(client, full_name, 100)).builds
            trees = StageTrees(client, setting, "main", ledger)
            return await trees.of(full_name, builds, [build.number for build in builds])
        finally:
            await client.aclose()

    return asyncio.run(asked())


def tree_of(server: Server, full_name: str) -> StageTree:
    """The tree of the job's one build."""
    (tree,) = ask(server, full_name).values()
    assert isinstance(tree, StageTree), tree
    return tree


NAMES = st.sampled_from(["Build", "Test", "Deploy", "Größe"])
STEPS = st.lists(
    st.builds(
        Did, st.sampled_from(["Shell Script", "Print Message"]), duration=st.integers(1, 500)
    ),
    max_size=3,
)
LEAVES = st.builds(Ran, NAMES, STEPS)
GRAPHS = st.lists(
    st.recursive(
        LEAVES,
        lambda inner: st.builds(
            Ran, NAMES, STEPS, inner=st.lists(inner, max_size=3), parallel=st.booleans()
        ),
        max_leaves=5,
    ),
    max_size=4,
)


def failing(stages: list[Ran], result: str) -> list[Ran]:
    """The last one fails, and others after it are left out."""
    end = Ran("Ends", (Did(status=result, error=ERROR),), result, ERROR)
    return [*stages, end, Ran("Left out", status="SKIPPED"), Ran("By when", status="NOT_BUILT")]


@given(GRAPHS, st.sampled_from(["SUCCESS", "FAILURE", "UNSTABLE", "ABORTED"]))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_same_from_each(
    jenkins: Jenkins, server: Server, stages: list[Ran], result: str
) -> None:
    """Whichever plugin tells of a pipeline: the same stages, in the same order, with the same
    steps. Only Pipeline Graph View nests them, and wfapi leaves inner stages out of a duration."""
    stages = stages if result == "SUCCESS" else failing(stages, result)
    job = jenkins.job(f"same-{len(jenkins.jobs)}")
    job.build(stages=stages, result=result)
    told = {}
    for plugin, version in NEWEST.items():
        jenkins.plugins = {plugin: version}
        told[plugin] = [
            msgspec.structs.replace(one, depth=0, duration=0, description="")
            for one in tree_of(server, job.full_name).stages
        ]
    assert told["wfapi"] == told["graph-view"] == told["blue-ocean"]
    assert [one.result for one in told["wfapi"]].count("FAILURE") == (result == "FAILURE")


@pytest.mark.parametrize(
    ("plugins", "source"),
    [
        ({"wfapi": 238, "graph-view": 877}, "wfapi"),
        ({"wfapi": 220}, "wfapi"),
        ({"graph-view": 877, "blue-ocean": 1}, "Pipeline Graph View"),
        ({"graph-view": 600}, "Pipeline Graph View"),
        ({"graph-view": 439}, "Pipeline Graph View"),
        ({"graph-view": 438, "blue-ocean": 1}, "Blue Ocean"),
        ({"blue-ocean": 1}, "Blue Ocean"),
    ],
)
def test_of_every_version(
    jenkins: Jenkins, server: Server, plugins: dict[str, int], source: str
) -> None:
    """Nested, in a folder, with all its steps; many builds and few."""
    jenkins.plugins = plugins
    for count in (1, 2, 5, 12):
        job = jenkins.job(f"team/{'-'.join(plugins)}-{sum(plugins.values())}-{count}")
        branches = (Ran("Unit", TWO_STEPS), Ran("Integration", TWO_STEPS))
        for _ in range(count):
            job.build(stages=[Ran("Build", TWO_STEPS), Ran("Test", inner=branches, parallel=True)])
        found = ask(server, job.full_name)
        assert len(found) == count
        for tree in found.values():
            assert isinstance(tree, StageTree), tree
            assert tree.source == source
            names = [(stage.name, len(stage.steps), stage.result) for stage in tree.stages]
            assert names == [
                ("Build", 2, "SUCCESS"), ("Test", 0, "SUCCESS"),
                ("Unit", 2, "SUCCESS"), ("Integration", 2, "SUCCESS"),
            ]  # fmt: skip
            nested = source == "Pipeline Graph View"
            assert [stage.depth for stage in tree.stages] == [0, 0, nested, nested]


def test_a_branch_of_a_multibranch_project(jenkins: Jenkins, server: Server) -> None:
    """It lies elsewhere in Blue Ocean, with its name encoded."""
    jenkins.plugins = {"blue-ocean": 1}
    jenkins.multibranch("shop")
    for name in ("main", "feature%2Fcart"):
        jenkins.job(f"shop/{name}").build()
        assert [stage.name for stage in tree_of(server, f"shop/{name}").stages] == [
            "Checkout", "Build", "Deploy",
        ]  # fmt: skip
    assert "/shop/branches/feature%252Fcart/" in jenkins.requests[-1].path


def test_what_only_the_last_good_run_had(jenkins: Jenkins, server: Server) -> None:
    """Blue Ocean shows it in one that failed before: it is no stage of that."""
    jenkins.plugins = {"blue-ocean": 1}
    job = jenkins.job("failed-early")
    job.build()
    job.build(result="FAILURE", stages=[Ran("Checkout", status="FAILURE", error=ERROR)])
    failed = ask(server, "failed-early")[2]
    assert isinstance(failed, StageTree)
    assert [(stage.name, stage.result) for stage in failed.stages] == [("Checkout", "FAILURE")]


def test_what_is_not_there_is_not_asked_again(
    jenkins: Jenkins, server: Server, tmp_path: Path
) -> None:
    """By another process, too, until Jenkins has started anew: then what was installed is found."""
    jenkins.plugins = {}
    job = jenkins.job("bare")
    job.build()
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.controllers.get("main", 0)

        def asked() -> tuple[list[str], object]:
            jenkins.requests.clear()
            (told,) = ask(server, "bare", ledger=ledger).values()
            paths = [request.path for request in jenkins.requests]
            return [path for path in paths if not path.endswith("api/json")], told

        paths, told = asked()
        assert len(paths) == 5
        expected = "stages: wfapi: not installed; Pipeline Graph View: not installed; Blue Ocean: not installed"
        assert told == expected
        assert asked() == ([], expected)
        jenkins.plugins = {"graph-view": 877}
        assert asked() == ([], expected)
        jenkins.session = "another"
        paths, told = asked()
        assert isinstance(told, StageTree)
        paths, _ = asked()
        assert paths == ["/job/bare/1/stages/tree", "/job/bare/1/stages/allSteps"]
        jenkins.plugins = {"wfapi": 238}
        jenkins.session = "a third"
        asked()
        assert asked()[0] == ["/job/bare/1/wfapi/describe"]


def test_a_build_that_is_gone(jenkins: Jenkins, server: Server) -> None:
    """It does not say that the plugin is not there."""
    jenkins.plugins = {"wfapi": 238}
    job = jenkins.job("going")
    for _ in range(2):
        job.build()

    async def asked() -> dict[int, StageTree | str | RemoteError]:
        client = JenkinsClient("main", Connection(server.url, 5_000, 4), "reader", TOKEN)
        builds = (await newest_builds(client, "going", 100)).builds
        job.delete_build(2)
        trees = StageTrees(client)
        gone = await trees.of("going", [build for build in builds if build.number == 2])
        assert trees.absent == {}
        found = gone | await trees.of("going", builds)
        await client.aclose()
        return found

    found = asyncio.run(asked())
    assert found[2] == "stages: the build is gone"
    assert isinstance(found[1], StageTree)


def test_none_is_none(jenkins: Jenkins, server: Server) -> None:
    """Nothing is asked, and nothing is missing."""
    jenkins.job("unasked").build()
    assert ask(server, "unasked", setting="none") == {}


def test_one_that_is_named(jenkins: Jenkins, server: Server) -> None:
    """No other is asked."""
    jenkins.plugins = NEWEST
    jenkins.job("named").build()
    (tree,) = ask(server, "named", setting="blue-ocean").values()
    assert isinstance(tree, StageTree)
    assert tree.source == "Blue Ocean"
    jenkins.plugins = {"wfapi": 238}
    assert ask(server, "named", setting="graph-view") == {
        1: "stages: Pipeline Graph View: not installed"
    }


def test_check_tells(site: Site) -> None:
    """A plugin that is named and not there is wrong, as is none at all where stages are wanted."""
    site.jenkins.job("app").build()
    assert "stage trees (wfapi)" in site.run("check").stdout
    site.jenkins.plugins = {}
    result = site.run("check")
    assert result.returncode == 1
    assert "install the plugin Pipeline Graph View" in result.stdout
    site.configure(site.controller(stages="none"))
    assert site.run("check").returncode == 0
    site.configure(site.controller(stages="blue-ocean"))
    result = site.run("check")
    assert result.returncode == 1
    assert "install the plugin Blue Ocean" in result.stdout


def test_status_tells(site: Site) -> None:
    """Which plugin, of how many builds, since when."""
    site.jenkins.plugins = {"graph-view": 877}
    for _ in range(4):
        site.jenkins.job("app").build()
    site.jenkins.job("free", kind="freestyle").build()
    site.run("once")
    assert "stages: Pipeline Graph View 4 of 4, since 20" in site.run("status").stdout
    (row,) = site.read("status")["controllers"]
    told = {key: row["stages"][key] for key in ("source", "builds", "trees")}
    assert told == {"source": "Pipeline Graph View", "builds": 4, "trees": 4}
    site.jenkins.plugins, site.jenkins.session = {}, "later"
    site.jenkins.job("app").build()
    site.run("once")
    assert "stages: no plugin gives them (0 of 1), since 20" in site.run("status").stdout
