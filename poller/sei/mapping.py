"""One completed build and its stage tree → one job run. Pure functions, no I/O.

The fields and where each comes from are SEI's "Custom CI/CD integrations" page on one side and
Jenkins' remote API on the other. Core's own result counts, never wfapi's, which differs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from msgspec import UNSET

from poller.jenkins.model import Build, StageTree
from poller.jenkins.paths import job_path
from poller.redact import Redactor
from poller.sei import causes, params, scm, stages
from poller.sei.payload import JobRun
from poller.sei.text import NAME, TEXT, clean

SKIP = "skip"


@dataclass(frozen=True)
class Identity:
    """What SEI calls the controller."""

    instance_name: str
    instance_guid: str
    instance_url: str


@dataclass(frozen=True)
class JobFacts:
    """The job that a build belongs to. ``base`` is added to a build's number; ``multibranch`` says
    that the job is a branch, so that its last segment is no name of a pipeline."""

    full_name: str
    generation: int
    base: int
    multibranch: bool


@dataclass(frozen=True)
class Policy:
    """How builds are mapped: Jenkins' result → SEI's or ``skip``; what is hidden; the limit of a
    payload in characters."""

    results: Mapping[str, str]
    redactor: Redactor
    ignore_repos: Sequence[str]
    body_limit: int


@dataclass(frozen=True)
class Skip:
    """A build that is not sent, and why."""

    reason: str


def job_run(
    identity: Identity, job: JobFacts, build: Build, tree: StageTree | None, policy: Policy
) -> JobRun | Skip:
    """The job run of a completed build; ``tree`` is None for builds without stages."""
    own = build.result or "UNKNOWN"
    result = policy.results.get(own, own)
    if result == SKIP:
        return Skip(f"result {clean(own, NAME)}")
    checkout = scm.primary(build, policy.ignore_repos)
    branch = branch_name(job, checkout)
    commits = scm.commits(build, checkout, params.text_of(build, scm.COMMIT_PARAMETER))
    return JobRun(
        pipeline=clean(pipeline(job), NAME),
        job_full_name=job.full_name,
        qualified_name=qualified_name(job),
        instance_name=identity.instance_name,
        instance_guid=identity.instance_guid,
        instance_url=identity.instance_url,
        start_time=build.timestamp,
        duration=max(0, build.duration),
        result=clean(result, NAME),
        build_number=job.base + build.number,
        execution_id=execution_id(identity, job, build),
        web_url=web_url(identity, job, build),
        user_id=causes.user_id(build) or UNSET,
        job_run=None if tree is None else stages.stage_tree(tree, policy.redactor),
        job_run_params=params.job_run_params(build, policy.redactor),
        scm_commit_ids=commits,
        repo_url=UNSET if checkout is None else checkout.url,
        branch_name=UNSET if branch is None else branch,
        trigger_chain=causes.trigger_chain(build),
    )


def pipeline(job: JobFacts) -> str:
    """The job's name; in a multibranch project the project's."""
    segments = job.full_name.split("/")
    return segments[-2] if job.multibranch and len(segments) > 1 else segments[-1]


def qualified_name(job: JobFacts) -> str:
    """``fullName``, with the branch segment of a multibranch job decoded."""
    if not job.multibranch:
        return job.full_name
    project, _, branch = job.full_name.rpartition("/")
    return f"{project}/{unquote(branch)}"


def branch_name(job: JobFacts, checkout: scm.Checkout | None) -> str | None:
    """The multibranch segment, decoded; else the branch that was checked out."""
    if job.multibranch:
        return clean(unquote(job.full_name.rpartition("/")[2]), NAME)
    return None if checkout is None else checkout.branch


def execution_id(identity: Identity, job: JobFacts, build: Build) -> str:
    """The same for ever, and of no other build: a run that is sent twice can be told."""
    name = f"{job.full_name}\n{job.generation}\n{build.number}\n{build.timestamp}"
    return str(uuid.uuid5(uuid.UUID(identity.instance_guid), name))


def web_url(identity: Identity, job: JobFacts, build: Build) -> str:
    """The build's page, as Jenkins gives it; built from the names where that is no web address."""
    url = build.url or ""
    try:
        usable = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        usable = False
    if not usable:
        url = f"{identity.instance_url.rstrip('/')}/{job_path(job.full_name)}{build.number}/"
    return clean(scm.without_credentials(url), TEXT)
