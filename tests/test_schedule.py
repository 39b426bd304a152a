"""When controllers are polled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from poller.schedule import start_gap, trigger
from poller.settings import Controller

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


def controller(**keys: Any) -> Controller:
    """One of the config."""
    table = {"name": "main", "url": "http://127.0.0.1/", "user": "u", "token_env": "T"}
    return Controller.model_validate({**table, **keys})


@pytest.mark.parametrize(("every", "least"), [("60s", 54), ("10s", 9), ("9s", 9), ("1s", 1)])
def test_two_polls_are_never_further_apart_than_every(every: str, least: float) -> None:
    """A bit early, at random, so that many pollers spread; very short intervals are kept."""
    when = trigger(controller(every=every))
    gaps = set()
    for _ in range(200):
        following = when.get_next_fire_time(NOW, NOW)
        gaps.add((following - NOW).total_seconds())
    assert least <= min(gaps)
    assert max(gaps) <= int(every[:-1])
    assert (len(gaps) > 1) == (least != int(every[:-1]))


def test_a_cron_line_is_kept_to_the_second() -> None:
    """Whoever writes one means it."""
    when = trigger(controller(cron="*/5 * * * *"))
    assert when.get_next_fire_time(None, NOW + timedelta(seconds=1)) == NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("count", "every", "gap"), [(1, "60s", 0.1), (200, "60s", 0.1), (600, "60s", 0.05), (20, "1s", 0.025)]
)  # fmt: skip
def test_first_polls_are_a_moment_apart(count: int, every: str, gap: float) -> None:
    """And all are done within half of an interval."""
    assert start_gap([controller(every=every)] * count) == pytest.approx(gap)
