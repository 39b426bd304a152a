"""Which rule counts, and which never can."""

from __future__ import annotations

import pytest

from poller.rules import NO_RULE, first_match, never_match
from poller.settings import Rule

JOBS = ["payments/api", "payments/web", "shop/mb/main", "nightly"]


def rules(*globs: str) -> list[Rule]:
    """A rule for each glob."""
    return [Rule(match=glob) for glob in globs]


@pytest.mark.parametrize(
    ("job", "place"),
    [("payments/api", 2), ("payments/web", 1), ("shop/mb/main", 3), ("nightly", 0)],
)
def test_the_first_counts(job: str, place: int) -> None:
    """And is named with its place and glob."""
    found = first_match(rules("*/web", "payments/**", "shop/*/main"), job)
    assert place == found.place
    assert (found is NO_RULE) == (place == 0)
    if place == 2:
        assert found.name == "rule 2 (payments/**)"


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (("payments/**", "shop/**", "**"), []),
        (("**", "payments/**"), ["rule 2 (match = 'payments/**') never counts: rule 1 (**) comes first and matches the same"]),
        (("payments/**", "payments/**"), ["rule 2 (match = 'payments/**') never counts: rule 1 (payments/**) comes first and matches the same"]),
        (("payments/**", "payments/api"), ["rule 2 (match = 'payments/api') never counts: rule 1 (payments/**) comes first and matches the same"]),
        (("payment/**",), ["rule 1 (match = 'payment/**') matches no job"]),
        (("*/api", "*/web", "payments/*"), ["rule 3 (match = 'payments/*') never counts: of the 2 jobs it matches, each is matched by one of the rules before"]),
        (("*/api", "payments/*"), []),
    ],
)  # fmt: skip
def test_rules_that_never_count(globs: tuple[str, ...], expected: list[str]) -> None:
    """Covered by those before, or without a job."""
    assert expected == never_match(rules(*globs), JOBS)


def test_with_jobs_unknown() -> None:
    """Only what is certain is said."""
    assert never_match(rules("payment/**", "*/api", "payments/api"), [], complete=False) == []
    assert len(never_match(rules("a/**", "a/b"), [], complete=False)) == 1
