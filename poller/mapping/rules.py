"""``[[rules]]``: which ones count for a build, and what they say. Pure.

A job's rules are chosen once; a build's conditions and texts are looked at once a build.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from poller.config.rules import TEMPLATES, Rule, StageCondition
from poller.core.escape import NAME, clip
from poller.core.patterns import match_pattern
from poller.core.template import fill
from poller.jenkins.build import Build
from poller.jenkins.stage import StageTree
from poller.mapping.causes import causes, simple_class
from poller.mapping.params import texts
from poller.mapping.redaction import Redactor

JobRules: TypeAlias = Sequence[tuple[int, Rule, Mapping[str, str]]]
"""The rules whose match fits a job: place in the config, from 1, rule, and the match's groups."""


@dataclass(frozen=True)
class MatchedRule:
    """The rules that count for a build: the place of the first in the config, from 1, and what they
    say together; where there are several, their names, and which one says what."""

    place: int
    settings: Rule
    names: str = ""
    by: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``rule 2 (payments/**)``; empty where there is none."""
        one = f"rule {self.place} ({self.settings.match})" if self.place else ""
        return self.names or one

    def source(self, key: str) -> str:
        """Which rule gives a key of its settings."""
        return self.by.get(key, self.name) or "no rule matches"


NO_RULE = MatchedRule(0, Rule(match="**"))
"""Where no rule matches: one that says nothing."""


@dataclass(frozen=True)
class Facts:
    """What the conditions of rules are about. ``branch`` is empty where there is none; it and
    ``user`` are None as long as they are not known."""

    job: str
    build: Build
    redactor: Redactor
    branch: str | None = None
    user: str | None = None

    @cached_property
    def causes(self) -> list[str]:
        """The classes of the build's own causes."""
        return [simple_class(cause) for cause in causes(self.build.actions)]

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The values of the build's parameters, but for secrets."""
        return texts(self.build, self.redactor)

    def value(self, name: str, groups: Mapping[str, str]) -> str:
        """What stands for a name in a text of a rule; empty where nothing does."""
        if name.startswith("param."):
            return self.parameters.get(name.removeprefix("param."), "")
        if name in groups:
            return groups[name]
        return self.job if name == "job" else self.branch or ""


def rules_of(rules: Sequence[Rule], full_name: str) -> JobRules:
    """The rules that match a job."""
    found = (
        (place, rule, match_pattern(full_name, rule.match)) for place, rule in enumerate(rules, 1)
    )
    return [(place, rule, groups) for place, rule, groups in found if groups is not None]


def decide(rules: JobRules, facts: Facts) -> MatchedRule:
    """What the rules say of a build: the first whose conditions hold, and with ``continue`` the
    next ones, too, for what is not said yet."""
    matched: list[tuple[int, Rule]] = []
    for place, rule, groups in rules:
        more = _holds(rule, facts)
        if more is not None:
            matched.append((place, _filled(rule, facts, {**groups, **more})))
            if not rule.go_on:
                break
    if not matched:
        return NO_RULE
    if len(matched) == 1:
        return MatchedRule(*matched[0])
    names = [MatchedRule(*one).name for one in matched]
    settings: dict[str, Any] = {"match": matched[0][1].match}
    by: dict[str, str] = {}
    for name, (_, rule) in zip(names, matched, strict=True):
        for key in rule.model_fields_set - settings.keys():
            if (value := getattr(rule, key)) not in (None, (), {}, False) or key in (
                "ci",
                "cd",
                "cfr_status",
            ):
                settings[key], by[key] = value, name
    return MatchedRule(matched[0][0], Rule.model_construct(**settings), ", ".join(names), by)


def early_skip(rules: JobRules, facts: Facts, results: Mapping[str, str]) -> Skip | None:
    """Why a build is not sent, where its own answer alone tells: then nothing more is asked for it.
    None where it is sent, or where that is not known yet."""
    if not any(rule.skip or rule.results or rule.result for _, rule, _ in rules):
        rules = ()
    if any(rule.when.branch is not None or rule.when.user is not None for _, rule, _ in rules):
        return None
    found = result_or_skip(decide(rules, facts), facts.build, results)
    return found if isinstance(found, Skip) else None


def _holds(rule: Rule, facts: Facts) -> Mapping[str, str] | None:
    """The groups of the conditions where all of them hold, else None."""
    when = rule.when
    groups: dict[str, str] = {}
    build = facts.build
    for text, pattern in (
        (facts.branch, when.branch),
        (build.result, when.result),
        (facts.user, when.user),
        (build.builtOn, when.agent),
        *((facts.parameters.get(name), one) for name, one in when.parameter.items()),
    ):
        if pattern is not None:
            found = match_pattern(text, pattern) if text is not None else None
            if found is None:
                return None
            groups.update(found)
    if when.cause is not None:
        matches = [match_pattern(one, when.cause) for one in facts.causes]
        found = next((one for one in matches if one is not None), None)
        if found is None:
            return None
        groups.update(found)
    return groups


def _filled(rule: Rule, facts: Facts, groups: Mapping[str, str]) -> Rule:
    """The rule with the places in its texts filled; what has none to fill one is not said."""
    if not rule.has_places:
        return rule

    def text(template: str | None) -> str | None:
        return None if template is None else fill(template, lambda name: facts.value(name, groups))

    changes: dict[str, Any] = {key: text(getattr(rule, key)) for key in TEMPLATES}
    changes["themes"] = tuple(filter(None, map(text, rule.themes)))
    params = {name: text(one) for name, one in rule.job_run_params.items()}
    changes["job_run_params"] = {name: one for name, one in params.items() if one is not None}
    return rule.model_copy(update={key: one for key, one in changes.items() if getattr(rule, key)})


def cfr_status(setting: bool | StageCondition | None, tree: StageTree | None) -> bool | None:
    """What the rule says of the build; None where nothing can be said: no rule, or no stages to
    look at."""
    if not isinstance(setting, StageCondition):
        return setting
    if tree is None:
        return None
    return any(
        stage.ran
        and fnmatch.fnmatchcase(stage.name, setting.stage)
        and (setting.when == "ran" or stage.result == "FAILURE")
        for stage in tree.stages
    )


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
        why = f": {rule.settings.skip}" if isinstance(rule.settings.skip, str) else ""
        return Skip(rule.source("skip") + why)
    own = build.result or "UNKNOWN"
    source = f"result {clip(own, NAME)}"
    result = rule.settings.result
    if result is not None:
        source = rule.source("result")
    elif (result := rule.settings.results.get(own)) is not None:
        source += f", results of {rule.source('results')}"
    elif (result := results.get(own)) is None:
        result, source = UNDOCUMENTED, f"{source}, which SEI does not document"
    return Skip(source) if result == SKIP else (result, source)
