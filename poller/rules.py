"""``[[rules]]``: which one counts for a job, and which never can. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from poller.globs import matches
from poller.settings import Rule

ANYTHING = "**"


@dataclass(frozen=True)
class Match:
    """The rule that counts, and its place in the config, from 1."""

    place: int
    rule: Rule

    @property
    def name(self) -> str:
        """``rule 2 (payments/**)``."""
        return f"rule {self.place} ({self.rule.match})"


NO_RULE = Match(0, Rule(match=ANYTHING))
"""Where no rule matches: one that says nothing."""


def first_match(rules: Sequence[Rule], full_name: str) -> Match:
    """The first rule whose glob matches the job; NO_RULE where none does."""
    for place, rule in enumerate(rules, 1):
        if matches(full_name, rule.match):
            return Match(place, rule)
    return NO_RULE


def never_match(rules: Sequence[Rule], names: Iterable[str], *, complete: bool = True) -> list[str]:
    """One line for each rule that no job ever gets to, and why. ``names`` are the jobs there are;
    if they are not ``complete`` only what is certain without them is said."""
    jobs = list(names)
    first_for = [first_match(rules, name).place for name in jobs]
    lines = []
    for place, rule in enumerate(rules, 1):
        why = _covered(rules[: place - 1], rule)
        if why is None and complete and place not in first_for:
            why = _unused(rule, jobs)
        if why is not None:
            lines.append(f"rule {place} (match = {rule.match!r}) {why}")
    return lines


def _covered(before: Sequence[Rule], rule: Rule) -> str | None:
    for place, earlier in enumerate(before, 1):
        if earlier.match in (rule.match, ANYTHING) or _all_below(earlier.match, rule.match):
            return f"never counts: rule {place} ({earlier.match}) comes first and matches the same"
    return None


def _all_below(wide: str, narrow: str) -> bool:
    """Whether ``a/**`` is followed by something that begins with ``a/``, both without wildcards."""
    folder = wide.removesuffix(ANYTHING)
    plain = folder != wide and folder.endswith("/") and not set(folder) & set("*?")
    return plain and narrow.startswith(folder)


def _unused(rule: Rule, jobs: Sequence[str]) -> str:
    count = sum(matches(name, rule.match) for name in jobs)
    if not count:
        return "matches no job"
    return (
        f"never counts: of the {count} jobs it matches, each is matched by one of the rules before"
    )
