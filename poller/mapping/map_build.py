"""One completed build with its evidence → one job run. Pure functions, no I/O.

The fields and where each comes from are SEI's "Custom CI/CD integrations" page on one side and
Jenkins' remote API on the other. Core's own result counts, never a stage tree's, which differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from poller.config.rules import Rule, StageCondition
from poller.config.servers import DEFAULT_CAUSES
from poller.config.types import Flag
from poller.core.escape import FULL_NAME, NAME, TEXT, clip
from poller.mapping.artifacts import artifacts, ci_and_cd
from poller.mapping.causes import cause_chain, trigger_chain, user_id
from poller.mapping.evidence import EnrichedBuild, UpstreamBuild
from poller.mapping.names import (
    JobInfo,
    SeiInstance,
    execution_id,
    job_full_name,
    module_name,
    pipeline,
    qualified_name,
    web_url,
)
from poller.mapping.params import counts_of_tests, job_run_params, text_of
from poller.mapping.payload import JobRun
from poller.mapping.redaction import Redactor
from poller.mapping.rules import Facts, MatchedRule, Skip, cfr_status, decide, result_or_skip
from poller.mapping.scm import (
    COMMIT_PARAMETER,
    Checkout,
    commits_of,
    foreign_commits,
    primary,
    without_credentials,
)
from poller.mapping.stages import run_stages


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
    """A job run; the rules that counted (empty: none) and what they say together; and by field
    where its value is from, in words: for `preview --explain`. A field that was left out is among
    them, with the reason."""

    run: JobRun
    rule: str
    settings: Rule
    sources: Mapping[str, str] = field(default_factory=dict)


def map_build(
    instance: SeiInstance, job: JobInfo, enriched: EnrichedBuild, config: MappingConfig
) -> MappedRun | Skip:
    """The job run of a completed build."""
    build, redactor = enriched.build, enriched.redactor
    user = user_id(cause_chain(build, enriched.upstream), config.causes)
    checkout = primary(build, config.ignore_repos, None, job.own_branch)
    branch = branch_name(job, *checkout)
    facts = Facts(job.full_name, build, redactor, branch[0] or "", user[0])
    rule = decide(job.rules, facts)
    result = result_or_skip(rule, build, config.results)
    if isinstance(result, Skip):
        return result
    if rule.settings.primary_repo is not None:
        checkout = primary(build, config.ignore_repos, rule.settings.primary_repo, job.own_branch)
        branch = branch_name(job, *checkout)
    found: dict[str, tuple[Any, str]] = {
        "user_id": user,
        "branch_name": branch,
        "pipeline": pipeline(job, build),
        "module_name": module_name(job, build),
        "repo_url": (checkout[0].url if checkout[0] is not None else None, checkout[1]),
    }
    fields, sources = _texts(rule, found, redactor)
    given = _given(instance, job, enriched)
    more, more_sources = _found_out(job, enriched, config, rule, checkout[0], given["web_url"])
    counts = counts_of_tests(build) if instance.test_counts else {}
    more["job_run_params"] = job_run_params(
        build, redactor, {**counts, **rule.settings.job_run_params}
    )
    run = JobRun(result=clip(result[0], NAME), **given, **fields, **more)
    explained = {**FIXED, **sources, **more_sources, "result": result[1]}
    return MappedRun(run, rule.name, rule.settings, explained)


FIXED: Mapping[str, str] = {
    "job_full_name": "the job's fullName",
    "qualified_name": "the job's fullName, a branch decoded",
    "instance_name": "config: instance_name or name",
    "instance_guid": "config: instance_guid",
    "instance_url": "config: instance_url or url",
    "start_time": "the build's timestamp",
    "duration": "the build's duration",
    "build_number": "the build's number, after those of earlier generations of the job",
    "execution_id": "of GUID, job, number and timestamp",
    "web_url": "the build's url",
    "job_run_params": "the build's parameters, secrets left out",
}
"""Fields that have one source only."""


def _given(instance: SeiInstance, job: JobInfo, enriched: EnrichedBuild) -> dict[str, Any]:
    """The fields that the config, the job's name and the build's record give."""
    build = enriched.build
    return {
        "job_full_name": clip(job_full_name(instance, job), FULL_NAME),
        "qualified_name": clip(qualified_name(instance, job), FULL_NAME),
        "instance_name": clip(instance.instance_name, NAME),
        "instance_guid": instance.instance_guid,
        "instance_url": clip(instance.instance_url, TEXT),
        "start_time": build.timestamp,
        "duration": max(0, build.duration),
        "build_number": job.number_offset + build.number,
        "execution_id": execution_id(instance, job, build),
        "web_url": web_url(instance, job, build),
    }


def _texts(
    rule: MatchedRule, found: Mapping[str, tuple[Any, str]], redactor: Redactor
) -> tuple[dict[str, Any], dict[str, str]]:
    """The texts that a rule may give, else ``found``: each with where it is from."""
    fields: dict[str, Any] = {}
    sources: dict[str, str] = {}
    nothing = (None, "no rule matches" if not rule.place else "no rule says it")
    for key in ("pipeline", "module_name", "project_name", "branch_name", "user_id", "repo_url"):
        value, source = getattr(rule.settings, key), rule.source(key)
        if value is None:
            value, source = found.get(key, nothing)
        elif key == "repo_url":
            value = without_credentials(value)
        sources[key] = source
        if value:
            limit = TEXT if key == "repo_url" else NAME
            fields[key] = clip(redactor.without_values.text(value), limit)
    return fields, sources


def _found_out(
    job: JobInfo,
    enriched: EnrichedBuild,
    config: MappingConfig,
    rule: MatchedRule,
    checkout: Checkout | None,
    url: str,
) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields that the build and its evidence give, and where each of them is from."""
    build, tree, redactor = enriched.build, enriched.tree, enriched.redactor
    foreign = foreign_commits(build, config.ignore_repos, checkout, job.own_branch)
    named = text_of(build, COMMIT_PARAMETER)
    commits, commits_source = commits_of(build, checkout, named, enriched.extracted, foreign)
    found, found_source = artifacts(enriched, rule, url)
    ci, cd, ci_source = ci_and_cd(rule, found, config.ci_and_cd)
    cfr = cfr_status(rule.settings.cfr_status, tree)
    themes = [clip(redactor.text(theme), NAME) for theme in rule.settings.themes]
    fields = {
        "job_run": None if tree is None else run_stages(tree, redactor),
        "scm_commit_ids": commits,
        "themes": themes or UNSET,
        "cfr_status": UNSET if cfr is None else cfr,
        "ci": ci,
        "cd": cd,
        "artifacts": found or UNSET,
        "trigger_chain": trigger_chain(build, enriched.upstream, config.causes),
    }
    sources = {
        "job_run": "no stages" if tree is None else "wfapi's stage tree",
        "scm_commit_ids": redactor.text(commits_source),
        "themes": rule.source("themes"),
        "cfr_status": rule.source("cfr_status"),
        "ci": ci_source,
        "cd": ci_source,
        "artifacts": found_source,
        "trigger_chain": _chain_source(enriched.upstream),
    }
    if isinstance(rule.settings.cfr_status, StageCondition):
        condition = rule.settings.cfr_status
        what = f"whether a stage {condition.stage!r} {condition.when}"
        sources["cfr_status"] += f": {what if tree else 'no stages to look at'}"
    if rule.settings.job_run_params:
        sources["job_run_params"] = f"{FIXED['job_run_params']}; {rule.source('job_run_params')}"
    return fields, sources


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


def _chain_source(upstream: Sequence[UpstreamBuild]) -> str:
    source = "the build's causes"
    if known := [f"{up.job} #{up.number}" for up in upstream if not up.ended]:
        source += f", then those of {', '.join(known)}"
    if ended := [f"{up.job} #{up.number} ({up.ended})" for up in upstream if up.ended]:
        source += f"; not those of {', '.join(ended)}"
    return source
