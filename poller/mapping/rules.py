"""``[[rules]]``: which one counts for a job. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from poller.config.rules import Rule, StageCondition
from poller.core.escape import NAME, clip
from poller.core.patterns import matches
from poller.jenkins.build import Build
from poller.jenkins.stage import Stage, StageTree


@dataclass(frozen=True)
class MatchedRule:
    """The rule that counts for a job: its place in the config, from 1, and what it says."""

    place: int
    settings: Rule

    @property
    def name(self) -> str:
        """``rule 2 (payments/**)``."""
        return f"rule {self.place} ({self.settings.match})"


NO_RULE = MatchedRule(0, Rule(match="**"))
"""Where no rule matches: one that says nothing."""


def first_match(rules: Sequence[Rule], full_name: str) -> MatchedRule:
    """The first rule whose glob matches the job; NO_RULE where none does."""
    for place, rule in enumerate(rules, 1):
        if matches(full_name, rule.match):
            return MatchedRule(place, rule)
    return NO_RULE


FAILED = "FAILED"
NOT_RUN = ("NOT_EXECUTED", None)


def cfr_status(setting: bool | StageCondition | None, tree: StageTree | None) -> bool | None:
    """What the rule says of the build; None where nothing can be said: no rule, or no stages to
    look at."""
    if not isinstance(setting, StageCondition):
        return setting
    if tree is None:
        return None
    return any(
        fnmatch.fnmatchcase(stage.name or "", setting.stage)
        and (setting.when == "ran" or stage.status == FAILED)
        for stage in stages_that_ran(tree)
    )


def stages_that_ran(tree: StageTree) -> Iterator[Stage]:
    """Those that did something."""
    errors: list[str | None] = []
    for stage in tree.stages:
        error = stage.error.message if stage.error is not None else None
        skipped = not stage.stageFlowNodes and stage.error is not None and error in errors
        if stage.status not in NOT_RUN and not skipped:
            yield stage
        if stage.error is not None:
            errors.append(error)


SKIP = "skip"
UNDOCUMENTED = "FAILURE"
"""What a result becomes that neither SEI documents nor the config knows."""


@dataclass(frozen=True)
class Skip:
    """A build that is not sent, and why."""

    reason: str


def result_or_skip(
    rule: MatchedRule, build: Build, results: Mapping[str, str]
) -> tuple[str, str] | Skip:
    """SEI's result and where it is from, or why the build is not sent. ``results`` are those of the
    config: Jenkins' → SEI's, or ``skip``. Needs nothing but the
    build's own answer, so that nothing more is asked for one that is not."""
    if rule.settings.skip:
        return Skip(rule.name)
    own = build.result or "UNKNOWN"
    source = f"result {clip(own, NAME)}"
    result = rule.settings.results.get(own)
    if result is not None:
        source += f", results of {rule.name}"
    elif (result := results.get(own)) is None:
        result, source = UNDOCUMENTED, f"{source}, which SEI does not document"
    return Skip(source) if result == SKIP else (result, source)
