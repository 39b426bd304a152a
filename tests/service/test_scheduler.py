"""When controllers are polled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from poller.config.servers import ControllerConfig
from poller.service.scheduler import start_gap, trigger

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


def controller(**keys: Any) -> ControllerConfig:
    """One of the config."""
    table = {"name": "main", "url": "http://127.0.0.1/", "user": "u", "token_env": "T"}
    return ControllerConfig.model_validate({**table, **keys})


@pytest.mark.parametrize(("every", "least"), [(60, 54), (10, 9), (9, 9), (1, 1)])
def test_two_polls_are_never_further_apart_than_every(every: int, least: float) -> None:
    """A bit early, at random, so that many pollers spread; very short intervals are kept."""
    when, moment = trigger(controller(every=f"{every}s"), NOW.timestamp(), 0, 1), NOW
    gaps = []
    for _ in range(300):
        following = when.get_next_fire_time(moment, moment)
        gaps.append(round((following - moment).total_seconds(), 3))
        moment = following
    assert least <= min(gaps)
    assert max(gaps) <= every
    assert (len(set(gaps)) > 1) == (least != every)


def test_controllers_stay_apart() -> None:
    """Their first polls follow each other at once, the next are spread over the interval, and an
    hour later they still are."""
    places, start = 60, NOW.timestamp()
    gap = start_gap([controller()] * places)
    seconds = set()
    for place in range(places):
        when = trigger(controller(), start, place, places)
        first = moment = NOW + timedelta(seconds=gap * place)
        for _ in range(60):
            following = when.get_next_fire_time(moment, moment)
            assert moment < following <= moment + timedelta(seconds=60)
            moment = following
        seconds.add(int((moment - first).total_seconds() + gap * place) // 6)
    assert len(seconds) >= 9


def test_a_cron_line_is_kept_to_the_second() -> None:
    """Whoever writes one means it."""
    when = trigger(controller(cron="*/5 * * * *"), NOW.timestamp(), 0, 1)
    moment = NOW + timedelta(seconds=1)
    assert when.get_next_fire_time(None, moment) == NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("count", "every", "gap"), [(1, "60s", 0.1), (200, "60s", 0.1), (600, "60s", 0.05), (20, "1s", 0.025)]
)  # fmt: skip
def test_first_polls_are_a_moment_apart(count: int, every: str, gap: float) -> None:
    """And all are done within half of an interval."""
    assert start_gap([controller(every=every)] * count) == pytest.approx(gap)
