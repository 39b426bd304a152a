"""What SEI calls a controller, a job and a build. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from poller.core.escape import TEXT, clip
from poller.jenkins.build import Build
from poller.jenkins.paths import shown_path
from poller.mapping.rules import JobRules
from poller.mapping.scm import without_credentials

MAVEN_MODULE_BUILD = "hudson.maven.MavenBuild"


@dataclass(frozen=True)
class SeiInstance:
    """What SEI calls the controller. ``public_url``: every address begins with ``instance_url``,
    whatever Jenkins itself believes to be called."""

    instance_name: str
    instance_guid: str
    instance_url: str
    public_url: bool = False


@dataclass(frozen=True)
class JobInfo:
    """The job that a build belongs to. ``number_offset`` is added to a build's number;
    ``multibranch`` says that the job is a branch, so that its last segment is no name of a
    pipeline; ``rules`` are those that match it."""

    full_name: str
    generation: int
    number_offset: int
    multibranch: bool
    rules: JobRules = ()

    @property
    def own_branch(self) -> str | None:
        """The branch that a multibranch job is of (of a pull request, ``PR-17``)."""
        return unquote(self.full_name.rpartition("/")[2]) if self.multibranch else None


def pipeline(job: JobInfo, build: Build) -> tuple[str, str]:
    """The job's name, of a branch or a Maven module the project's; and which of them it is."""
    segments = job.full_name.split("/")
    if job.multibranch and len(segments) > 1:
        return segments[-2], "the multibranch project's name"
    if build.cls == MAVEN_MODULE_BUILD and len(segments) > 1:
        return segments[-2], "the Maven project's name"
    return segments[-1], "the job's name"


def qualified_name(job: JobInfo) -> str:
    """``fullName``, with the branch segment of a multibranch job decoded."""
    if job.own_branch is None:
        return job.full_name
    return f"{job.full_name.rpartition('/')[0]}/{job.own_branch}"


def module_name(job: JobInfo, build: Build) -> tuple[str | None, str]:
    """The Maven module whose build it is."""
    if build.cls == MAVEN_MODULE_BUILD:
        return job.full_name.rpartition("/")[2], "the Maven module"
    return None, "no rule, no Maven module"


def execution_id(instance: SeiInstance, job: JobInfo, build: Build) -> str:
    """The same for ever, and of no other build: a run that is sent twice can be recognised."""
    name = f"{job.full_name}\n{job.generation}\n{build.number}\n{build.timestamp}"
    return str(uuid.uuid5(uuid.UUID(instance.instance_guid), name))


def web_url(instance: SeiInstance, job: JobInfo, build: Build) -> str:
    """The build's page, as Jenkins gives it; built from the names where that is no web address, or
    where the config says what Jenkins is called."""
    url = build.url or ""
    try:
        usable = urlsplit(url).scheme in ("http", "https") and not instance.public_url
    except ValueError:
        usable = False
    if not usable:
        url = f"{instance.instance_url.rstrip('/')}/{shown_path(job.full_name)}{build.number}/"
    return clip(without_credentials(url), TEXT)
