"""Rules of the config that never count: a typing error, or one rule in another's shadow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poller.actions.check.finding import CheckResult, warning
from poller.config.rules import Rule
from poller.config.servers import DEFAULT_RESULTS
from poller.core.patterns import match_pattern, matches

CURE = "is it as in fullName, and watched?"


def rules(rules: Sequence[Rule], jobs: Iterable[str]) -> list[CheckResult]:
    """``[[rules]]``, of which the first that matches a job wins, unless it has conditions or
    ``continue``."""
    left, results, names = set(jobs), [], set(jobs)
    for number, rule in enumerate(rules):
        taken = {name for name in names if match_pattern(name, rule.match) is not None}
        result = rule.when.result
        if not taken:
            results.append(_never("rules", number, rule.match, "matches no job", CURE))
        elif not taken & left:
            saw = "matches only jobs that an earlier rule takes"
            results.append(_never("rules", number, rule.match, saw, "put it before that one"))
        elif result is not None and not any(
            match_pattern(one, result) is not None for one in RESULTS
        ):
            saw = f"when.result {result!r} matches no result of Jenkins"
            cure = f"they are {', '.join(RESULTS)}"
            results.append(warning(f"rules[{number}]", saw, cure))
        if not rule.go_on and not rule.when.patterns:
            left -= taken
    return results


RESULTS = tuple(DEFAULT_RESULTS)


def extracts(globs: Sequence[str], jobs: Iterable[str]) -> list[CheckResult]:
    """``[[extract]]``: each that matches a job is used."""
    names = list(jobs)
    return [
        _never("extract", number, glob, "matches no job", CURE)
        for number, glob in enumerate(globs)
        if not any(matches(name, glob) for name in names)
    ]


def _never(table: str, number: int, glob: str, saw: str, cure: str) -> CheckResult:
    return warning(f"{table}[{number}]", f"match {glob!r} {saw}", cure)
