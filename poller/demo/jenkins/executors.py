"""``/computer``: which builds hold an executor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poller.demo.jenkins.builds import RUNNING
from poller.demo.jenkins.tree_query import parse

if TYPE_CHECKING:
    from poller.demo.jenkins.build_exports import Asked
    from poller.demo.jenkins.builds import Build


PLACEHOLDER = (
    "org.jenkinsci.plugins.workflow.support.steps."
    "ExecutorStepExecution$PlaceholderTask$PlaceholderExecutable"
)

PLAIN = parse(
    "busyExecutors,computer[description,displayName,executors,icon,iconClassName,idle,jnlpAgent,"
    "launchSupported,manualLaunchAllowed,numExecutors,offline,offlineCause,offlineCauseReason,"
    "oneOffExecutors,temporarilyOffline],displayName,totalExecutors"
)
"""What is exported when no tree is given."""


def computer_set(asked: Asked) -> dict[str, Any]:
    """The built-in node, with all that runs. A pipeline on a node is there twice: its flyweight
    run in ``oneOffExecutors``, its node step in ``executors``; a paused one holds no node."""
    one_off: list[Any] = []
    busy: list[Any] = []
    for build in list(asked.jenkins.running):
        kind = build.job.kind
        if kind.flyweight:
            one_off.append(_executor(build, build.class_name, asked))
        if not kind.flyweight:
            busy.append(_executor(build, build.class_name, asked))
        elif kind.pipeline and build.state == RUNNING:
            busy.append(_executor(build, PLACEHOLDER, asked))
    total = max(asked.jenkins.executors, len(busy))
    executors = [{"currentExecutable": None}] * (total - len(busy)) + busy
    node = {
        "_class": "hudson.model.Hudson$MasterComputer",
        "description": "the Jenkins controller's built-in node",
        "displayName": "Built-In Node",
        "executors": executors,
        "icon": "symbol-computer",
        "iconClassName": "symbol-computer",
        "idle": not asked.jenkins.running,
        "jnlpAgent": False,
        "launchSupported": True,
        "manualLaunchAllowed": True,
        "numExecutors": total,
        "offline": False,
        "offlineCause": None,
        "offlineCauseReason": "",
        "oneOffExecutors": one_off,
        "temporarilyOffline": False,
    }
    return {
        "_class": "hudson.model.ComputerSet",
        "busyExecutors": len(busy),
        "computer": [node],
        "displayName": "Nodes",
        "totalExecutors": total,
    }


def _executor(build: Build, class_name: str, asked: Asked) -> dict[str, Any]:
    url = f"{asked.url(build.job)}{build.number}/"
    executable = {"_class": class_name, "number": build.number, "url": url}
    if class_name == PLACEHOLDER:  # it waited for its node
        executable["timestamp"] = build.timestamp + 2
    else:
        executable |= {"timestamp": build.timestamp, "queueId": build.queue_id}
    return {"currentExecutable": executable}
