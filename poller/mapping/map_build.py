"""One completed build with its evidence → one job run. Pure functions, no I/O.

The fields and where each comes from are SEI's "Custom CI/CD integrations" page on one side and
Jenkins' remote API on the other. Core's own result counts, never wfapi's, which differs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import UNSET

from poller.config.rules import Rule, StageCondition
from poller.config.servers import DEFAULT_CAUSES
from poller.config.types import Flag
from poller.core.escape import FULL_NAME, NAME, TEXT, clip
from poller.jenkins.build import Build
from poller.jenkins.paths import shown_path
from poller.jenkins.stage import StageTree
from poller.mapping.artifacts import artifacts, ci_and_cd
from poller.mapping.causes import cause_chain, trigger_chain, user_id
from poller.mapping.evidence import EnrichedBuild, UpstreamBuild
from poller.mapping.params import job_run_params, text_of
from poller.mapping.payload import JobRun
from poller.mapping.redaction import Redactor
from poller.mapping.rules import NO_RULE, MatchedRule, Skip, cfr_status, result_or_skip
from poller.mapping.scm import (
    COMMIT_PARAMETER,
    Checkout,
    commits_of,
    foreign_commits,
    primary,
    without_credentials,
)
from poller.mapping.stages import run_stages

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
    pipeline; ``rule`` is the one that counts for it."""

    full_name: str
    generation: int
    number_offset: int
    multibranch: bool
    rule: MatchedRule = NO_RULE

    @property
    def own_branch(self) -> str | None:
        """The branch that a multibranch job is of (of a pull request, ``PR-17``)."""
        return unquote(self.full_name.rpartition("/")[2]) if self.multibranch else None


@dataclass(frozen=True)
class MappingConfig:
    """How builds are mapped: Jenkins' result → SEI's or ``skip``; what is hidden; the limit of a
    payload in characters; the rules, of which the first that matches counts; who stands behind a
    word in the class name of a cause; what a run is that no rule and no artifact tells of."""

    results: Mapping[str, str]
    redactor: Redactor
    ignore_repos: Sequence[str]
    body_limit: int
    rules: Sequence[Rule] = ()
    causes: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CAUSES)
    ci_and_cd: tuple[Flag, Flag] = (True, False)


@dataclass(frozen=True)
class MappedRun:
    """A job run, the rule that counted (empty: none), and by field where its value is from, in
    words: for `preview --explain`. A field that was left out is among them, with the reason."""

    run: JobRun
    rule: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)


def map_build(
    instance: SeiInstance, job: JobInfo, enriched: EnrichedBuild, config: MappingConfig
) -> MappedRun | Skip:
    """The job run of a completed build."""
    result = result_or_skip(job.rule, enriched.build, config.results)
    if isinstance(result, Skip):
        return result
    fields, sources = _given(instance, job, enriched)
    more, more_sources = _found_out(job, enriched, config, fields["web_url"])
    run = JobRun(result=clip(result[0], NAME), **fields, **more)
    return MappedRun(
        run,
        job.rule.name if job.rule.place else "",
        {**FIXED, **sources, **more_sources, "result": result[1]},
    )


def _given(
    instance: SeiInstance, job: JobInfo, enriched: EnrichedBuild
) -> tuple[dict[str, Any], dict[str, str]]:
    """The half that the config and the job's name give, and where each field of it is from."""
    build = enriched.build
    ruled, ruled_sources = _ruled(job.rule, enriched.tree)
    name, name_source = pipeline(job, build)
    module, module_source = module_name(job, build)
    fields = {
        "job_full_name": clip(job.full_name, FULL_NAME),
        "qualified_name": clip(qualified_name(job), FULL_NAME),
        "instance_name": clip(instance.instance_name, NAME),
        "instance_guid": instance.instance_guid,
        "instance_url": clip(instance.instance_url, TEXT),
        "start_time": build.timestamp,
        "duration": max(0, build.duration),
        "build_number": job.number_offset + build.number,
        "execution_id": execution_id(instance, job, build),
        "web_url": web_url(instance, job, build),
        "pipeline": clip(name, NAME),
        "module_name": UNSET if module is None else clip(module, NAME),
    }
    sources = {"pipeline": name_source, "module_name": module_source}
    return {**fields, **ruled}, {**sources, **ruled_sources}


def _found_out(
    job: JobInfo, enriched: EnrichedBuild, config: MappingConfig, url: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """The half that the build and its evidence give, and where each field of it is from."""
    build, tree, redactor = enriched.build, enriched.tree, enriched.redactor
    links = cause_chain(build, enriched.upstream)
    user, user_source = user_id(links, config.causes)
    checkout, repo_source = primary(
        build, config.ignore_repos, job.rule.settings.primary_repo, job.own_branch
    )
    foreign = foreign_commits(build, config.ignore_repos, checkout, job.own_branch)
    branch, branch_source = branch_name(job, checkout, repo_source)
    named = text_of(build, COMMIT_PARAMETER)
    commits, commits_source = commits_of(build, checkout, named, enriched.extracted, foreign)
    found, found_source = artifacts(enriched, job.rule, url)
    ci, cd, ci_source = ci_and_cd(job.rule, found, config.ci_and_cd)
    fields = {
        "user_id": user,
        "job_run": None if tree is None else run_stages(tree, redactor),
        "job_run_params": job_run_params(build, redactor),
        "scm_commit_ids": commits,
        "repo_url": UNSET if checkout is None else redactor.without_values.text(checkout.url),
        "branch_name": UNSET if branch is None else branch,
        "ci": ci,
        "cd": cd,
        "artifacts": found or UNSET,
        "trigger_chain": trigger_chain(build, enriched.upstream, config.causes),
    }
    sources = {
        "user_id": user_source,
        "job_run": "no stages" if tree is None else "wfapi's stage tree",
        "scm_commit_ids": redactor.text(commits_source),
        "repo_url": repo_source,
        "branch_name": branch_source,
        "ci": ci_source,
        "cd": ci_source,
        "artifacts": found_source,
        "trigger_chain": _chain_source(enriched.upstream),
    }
    return fields, sources


FIXED: Mapping[str, str] = {
    "job_full_name": "the job's fullName",
    "qualified_name": "the job's fullName, a branch decoded",
    "instance_name": "config: instance_name or name",
    "instance_guid": "config: instance_guid",
    "instance_url": "config: instance_url or url",
    "start_time": "the build's timestamp",
    "duration": "the build's duration",
    "build_number": "the build's number, after those of earlier generations of the job",
    "execution_id": "of GUID, job, generation, number and timestamp",
    "web_url": "the build's url",
    "job_run_params": "the build's parameters, secrets left out",
}
"""Fields that have one source only."""


def _ruled(matched: MatchedRule, tree: StageTree | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields that nothing but a rule gives, and where they are from."""
    rule, source = matched.settings, matched.name if matched.place else "no rule matches"
    cfr = cfr_status(rule.cfr_status, tree)
    fields = {
        "project_name": UNSET if rule.project_name is None else clip(rule.project_name, NAME),
        "themes": [clip(theme, NAME) for theme in rule.themes] or UNSET,
        "cfr_status": UNSET if cfr is None else cfr,
    }
    sources = dict.fromkeys(fields, source)
    if isinstance(rule.cfr_status, StageCondition):
        condition = f"whether a stage {rule.cfr_status.stage!r} {rule.cfr_status.when}"
        sources["cfr_status"] = f"{source}: {condition if tree else 'no stages to look at'}"
    return fields, sources


def pipeline(job: JobInfo, build: Build) -> tuple[str, str]:
    """The rule's; else the job's name; of a branch or a Maven module, the project's."""
    if job.rule.settings.pipeline is not None:
        return job.rule.settings.pipeline, job.rule.name
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


def branch_name(
    job: JobInfo, checkout: Checkout | None, checkout_source: str
) -> tuple[str | None, str]:
    """The multibranch segment, decoded (of a pull request, ``PR-17``); else the branch that was
    checked out."""
    if job.own_branch is not None:
        return clip(job.own_branch, NAME), "the multibranch job's name"
    if checkout is None or checkout.branch is None:
        return None, f"{checkout_source}, no branch in it" if checkout else checkout_source
    return checkout.branch, checkout_source


def module_name(job: JobInfo, build: Build) -> tuple[str | None, str]:
    """The rule's; else the Maven module whose build it is."""
    if job.rule.settings.module_name is not None:
        return job.rule.settings.module_name, job.rule.name
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


def _chain_source(upstream: Sequence[UpstreamBuild]) -> str:
    source = "the build's causes"
    if known := [f"{up.job} #{up.number}" for up in upstream if not up.ended]:
        source += f", then those of {', '.join(known)}"
    if ended := [f"{up.job} #{up.number} ({up.ended})" for up in upstream if up.ended]:
        source += f"; not those of {', '.join(ended)}"
    return source
