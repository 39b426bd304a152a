"""The kinds of job, and what sets them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poller.demo import exports, item_exports
from poller.demo.tree import Getter

WORKFLOW = "org.jenkinsci.plugins.workflow.job."


@dataclass(frozen=True)
class Kind:
    """What sets one kind of job apart."""

    job_class: str
    build_class: str
    job_properties: Mapping[str, Getter]
    build_properties: Mapping[str, Getter]
    pipeline: bool = False
    flyweight: bool = False


KINDS = {
    "pipeline": Kind(
        f"{WORKFLOW}WorkflowJob",
        f"{WORKFLOW}WorkflowRun",
        item_exports.WORKFLOW_JOB,
        exports.RUN,
        pipeline=True,
        flyweight=True,
    ),
    "freestyle": Kind(
        "hudson.model.FreeStyleProject",
        "hudson.model.FreeStyleBuild",
        item_exports.PROJECT,
        exports.ABSTRACT_BUILD,
    ),
    "matrix": Kind(
        "hudson.matrix.MatrixProject",
        "hudson.matrix.MatrixBuild",
        item_exports.MATRIX_PROJECT,
        exports.MATRIX_BUILD,
        flyweight=True,
    ),
    "maven": Kind(
        "hudson.maven.MavenModuleSet",
        "hudson.maven.MavenModuleSetBuild",
        item_exports.PROJECT,
        exports.MAVEN_BUILD,
    ),
}
