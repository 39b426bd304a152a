"""The kinds of job, and what sets them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poller.demo.jenkins.build_exports import ABSTRACT_BUILD, MATRIX_BUILD, MAVEN_BUILD, RUN
from poller.demo.jenkins.item_exports import MATRIX_PROJECT, MAVEN_PROJECT, PROJECT, WORKFLOW_JOB
from poller.demo.jenkins.tree_query import Getter

WORKFLOW = "org.jenkinsci.plugins.workflow.job."


@dataclass(frozen=True)
class JobKind:
    """What sets one kind of job apart."""

    job_class: str
    build_class: str
    job_properties: Mapping[str, Getter]
    build_properties: Mapping[str, Getter]
    pipeline: bool = False
    flyweight: bool = False


KINDS = {
    "pipeline": JobKind(
        f"{WORKFLOW}WorkflowJob",
        f"{WORKFLOW}WorkflowRun",
        WORKFLOW_JOB,
        RUN,
        pipeline=True,
        flyweight=True,
    ),
    "freestyle": JobKind(
        "hudson.model.FreeStyleProject",
        "hudson.model.FreeStyleBuild",
        PROJECT,
        ABSTRACT_BUILD,
    ),
    "matrix": JobKind(
        "hudson.matrix.MatrixProject",
        "hudson.matrix.MatrixBuild",
        MATRIX_PROJECT,
        MATRIX_BUILD,
        flyweight=True,
    ),
    "maven": JobKind(
        "hudson.maven.MavenModuleSet",
        "hudson.maven.MavenModuleSetBuild",
        MAVEN_PROJECT,
        MAVEN_BUILD,
    ),
}
MODULE_KINDS = {
    "hudson.matrix.MatrixProject": JobKind(
        "hudson.matrix.MatrixConfiguration", "hudson.matrix.MatrixRun", PROJECT, ABSTRACT_BUILD
    ),
    "hudson.maven.MavenModuleSet": JobKind(
        "hudson.maven.MavenModule", "hudson.maven.MavenBuild", PROJECT, ABSTRACT_BUILD
    ),
}
"""What is below such a job, by its class."""
