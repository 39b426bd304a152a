"""When the jobs of the service run, and what is logged of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from poller.config.servers import ControllerConfig
from poller.service.scheduler import Scheduler, interval, job_fields, start_gap, trigger

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


def test_a_job_is_never_logged_as_a_controller() -> None:
    """A line about it has its id, and the controller or sink that it is for."""
    assert job_fields("self_check:main") == {"job": "self_check:main", "controller": "main"}
    assert job_fields("deliver:sei") == {"job": "deliver:sei", "sink": "sei"}
    assert job_fields("retention") == {"job": "retention"}


def test_a_job_that_fails_or_still_runs_is_logged() -> None:
    """And is planned again; of a delivery that still runs nothing is said."""
    runs: Counter[str] = Counter()
    enough = asyncio.Event()

    async def fail() -> None:
        runs["poll:main"] += 1
        if runs["poll:main"] == 5:
            enough.set()
        raise ValueError("a bug")

    async def hang() -> None:
        runs["hang"] += 1
        await asyncio.Event().wait()

    async def work() -> None:
        scheduler = Scheduler()
        scheduler.add("poll:main", interval(0.1), fail)
        scheduler.add("self_check:main", interval(0.1), hang)
        scheduler.add("deliver:sei", interval(0.1), hang)
        scheduler.start()
        await enough.wait()
        assert sorted(scheduler.running) == ["deliver:sei", "self_check:main"]
        await scheduler.aclose()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(work())
    assert runs["hang"] == 2
    logged = {(line["event"], line["job"], line.get("controller")) for line in lines}
    assert logged == {
        ("job_failed", "poll:main", "main"), ("job_skipped", "self_check:main", "main"),
    }  # fmt: skip


def test_a_stop_waits_for_each_job_as_long_as_it_may_take() -> None:
    """And cuts off what takes longer; a job that is not to end goes on."""
    ends: dict[str, str] = {}

    async def work() -> None:
        scheduler, begun, going_on = Scheduler(), asyncio.Semaphore(0), asyncio.Event()

        def job(name: str, seconds: float | None) -> None:
            async def run() -> None:
                begun.release()
                try:
                    await asyncio.wait_for(asyncio.Event().wait(), seconds)
                except TimeoutError:
                    ends[name] = "by itself"
                except asyncio.CancelledError:
                    ends[name] = "cut off"
                    raise

            scheduler.add(name, interval(60), run)

        async def ping() -> None:
            if "poll:main" in ends:
                going_on.set()

        job("poll:main", None)
        job("deliver:sei", 0.5)
        scheduler.add("watchdog", interval(0.1), ping)
        scheduler.start()
        for _ in range(2):
            await begun.acquire()
        await scheduler.end({"poll:main": 0.1, "deliver:sei": 60})
        await going_on.wait()
        await scheduler.aclose()

    asyncio.run(work())
    assert ends == {"poll:main": "cut off", "deliver:sei": "by itself"}


def test_a_job_that_never_comes_again_can_be_ended() -> None:
    """A cron line may name a day that there is not; the scheduler drops such a job by itself."""

    async def main() -> None:
        scheduler = Scheduler()
        never = trigger(controller(cron="0 0 30 2 *"), NOW.timestamp(), 0, 1)
        ran = asyncio.Event()

        async def work() -> None:
            ran.set()

        scheduler.add("poll:main", never, work, 0.0)
        scheduler.start()
        async with asyncio.timeout(30):
            await ran.wait()
        await asyncio.sleep(0.1)
        await scheduler.end({"poll:main": 1.0})
        await scheduler.aclose()

    asyncio.run(main())
