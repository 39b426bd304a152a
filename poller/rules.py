"""``[[rules]]``: which one counts for a job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poller.globs import matches
from poller.rule_settings import Rule


@dataclass(frozen=True)
class Match:
    """The rule that counts, and its place in the config, from 1."""

    place: int
    rule: Rule

    @property
    def name(self) -> str:
        """``rule 2 (payments/**)``."""
        return f"rule {self.place} ({self.rule.match})"


NO_RULE = Match(0, Rule(match="**"))
"""Where no rule matches: one that says nothing."""


def first_match(rules: Sequence[Rule], full_name: str) -> Match:
    """The first rule whose glob matches the job; NO_RULE where none does."""
    for place, rule in enumerate(rules, 1):
        if matches(full_name, rule.match):
            return Match(place, rule)
    return NO_RULE
