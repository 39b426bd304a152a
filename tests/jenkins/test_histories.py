"""A job's whole history: one odd build in it, one that is too large, and what is no history."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from poller.core.errors import BadAnswer
from poller.demo.jenkins.items import Jenkins
from poller.jenkins.client import JenkinsClient
from poller.jenkins.history import summaries
from tests.support.asking import Asking
from tests.support.odd_answers import refuse_pages_with
from tests.support.site import served

JSON = {"Content-Type": "application/json;charset=utf-8"}


@pytest.fixture
def asking() -> Iterator[Asking]:
    """With a job ``app`` of 300 builds."""
    jenkins = Jenkins()
    for _ in range(300):
        jenkins.job("app", "freestyle").build(duration=5)
    with served(jenkins.app) as server:
        yield Asking(jenkins, server.url)


async def compared(api: JenkinsClient) -> list[int]:
    """The numbers of all summaries."""
    return [one.number for one in await summaries(api, "app", 0)]


def odd(**values: object) -> str:
    """Three builds; the one in the middle has other values, None for a key that is not there."""
    usual = {
        "timestamp": 1_700_000_000_000, "queueId": 9, "duration": 5, "result": "SUCCESS",
        "building": False, "inProgress": False,
    }  # fmt: skip
    changed = {key: value for key, value in {**usual, **values}.items() if value is not None}
    builds = [{"number": 3, **usual}, {"number": 2, **changed}, {"number": 1, **usual}]
    return json.dumps({"builds": builds, "allBuilds": builds})


def test_a_history_is_had_in_parts_where_it_is_too_large(asking: Asking) -> None:
    """300 builds of some 150 bytes each, 20,000 bytes at once."""
    asking.jenkins.requests.clear()
    assert asking.run(compared, answer_limit=20_000) == list(range(300, 0, -1))
    assert len(asking.asked) > 4


@pytest.mark.parametrize("values", [{"timestamp": "x"}, {"duration": 1.5}, {"timestamp": None}])
def test_one_odd_build_in_a_history(asking: Asking, values: dict[str, object]) -> None:
    """It is there, as the others are."""
    asking.jenkins.fail("/job/app/*", status=200, body=odd(**values), headers=JSON)
    keys = asking.run(lambda api: api.heads("app"))
    assert [key.number for key in keys] == [3, 2, 1]
    assert (keys[1].timestamp == 0) is ("timestamp" in values)
    assert asking.run(compared)[:3] == [3, 2, 1]


def test_a_build_with_which_no_page_can_be_had(asking: Asking) -> None:
    """It is had by its number; where that fails, too, its number is known, and why there is no more."""
    refuse_pages_with(asking.jenkins, "app", 150, alone=True)
    assert asking.run(compared) == list(range(300, 0, -1))
    asking.jenkins.fail("/job/app/150/*", status=500)
    found = {one.number: one.unreadable for one in asking.run(lambda api: summaries(api, "app", 0))}
    assert sorted(found, reverse=True) == list(range(300, 0, -1))
    assert [number for number, why in found.items() if why] == [150]
    assert found[150] == "HTTP 500"


@pytest.mark.parametrize("body", ["{}", '{"error":"rate limited"}', '{"allBuilds":null}'])
def test_no_list_is_a_bad_answer(asking: Asking, body: str) -> None:
    asking.jenkins.fail("/job/app/*", status=200, body=body, headers=JSON)
    with pytest.raises(BadAnswer, match="no list allBuilds"):
        asking.run(lambda api: api.heads("app"))
    with pytest.raises(BadAnswer, match="no list builds"):
        asking.run(compared)


def test_what_runs_is_a_list(asking: Asking) -> None:
    asking.jenkins.fail("/computer/*", status=200, body="{}", headers=JSON)
    with pytest.raises(BadAnswer, match="no list computer"):
        asking.run(lambda api: api.running())
