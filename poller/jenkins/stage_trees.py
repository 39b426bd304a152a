"""Stage trees: ten builds at once or one by one."""

from __future__ import annotations

from poller.core.errors import NotFound, RemoteError
from poller.jenkins.answers import worth_splitting
from poller.jenkins.build import Build
from poller.jenkins.client import JenkinsClient
from poller.jenkins.paths import MOST_DIGITS
from poller.jenkins.stage import StageTree

PIPELINE_RUN = "org.jenkinsci.plugins.workflow.job.WorkflowRun"
"""The one class of build that has stages; wfapi answers 404 for all others (measured)."""

NEWEST_RUNS = 10
"""``wfapi/runs`` always returns the ten newest (measured)."""

RUNS_WORTH_IT = 3
"""``runs`` makes Jenkins read ten flow graphs, ``describe`` one; ``runs`` saves round trips."""


async def stage_tree(client: JenkinsClient, full_name: str, build: Build) -> StageTree | None:
    if build.cls != PIPELINE_RUN:
        return None
    try:
        return await client.stage_tree(full_name, build.number)
    except NotFound:
        return None


async def ten_stage_trees(client: JenkinsClient, full_name: str) -> dict[int, StageTree]:
    try:
        trees = await client.ten_stage_trees(full_name)
    except NotFound:
        return {}
    except RemoteError as error:
        if not worth_splitting(error):
            raise
        return {}  # one bad tree spoils the answer for ten: ask for each alone
    return {
        int(tree.id): tree for tree in trees if tree.id.isdecimal() and len(tree.id) <= MOST_DIGITS
    }
