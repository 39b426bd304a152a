"""Which rule counts."""

from __future__ import annotations

import pytest

from poller.config.rules import Rule
from poller.mapping.rules import NO_RULE, first_match


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
