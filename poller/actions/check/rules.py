"""Rules of the config that no job is under: a typing error, or one rule in another's shadow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poller.actions.check.finding import CheckResult, warning
from poller.core.patterns import matches

CURE = "is it as in fullName, and watched?"


def rules(globs: Sequence[str], jobs: Iterable[str]) -> list[CheckResult]:
    """``[[rules]]``, of which the first that matches a job wins."""
    left, results, names = set(jobs), [], set(jobs)
    for number, glob in enumerate(globs):
        taken = {name for name in names if matches(name, glob)}
        if not taken:
            results.append(_never("rules", number, glob, "matches no job", CURE))
        elif not taken & left:
            saw = "matches only jobs that an earlier rule takes"
            results.append(_never("rules", number, glob, saw, "put it before that one"))
        left -= taken
    return results


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
