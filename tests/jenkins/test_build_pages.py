"""One bad build in a page: what else is had of the page, and in how many requests."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from poller.core.errors import BadAnswer, CircuitOpen, NotFound, RemoteError
from poller.demo.faults import Answer, Request
from poller.demo.jenkins.items import Jenkins
from poller.jenkins.build import BUILD_TREE
from poller.jenkins.build_pages import BuildPage, builds_at, newest_builds, one_build
from poller.jenkins.build_values import salvage_build
from tests.support.asking import Asking
from tests.support.site import served

ERROR = Answer(500, b"<html>Failed to write changeSet", {"Content-Type": "text/html"})
JSON = {"Content-Type": "application/json;charset=utf-8"}


@pytest.fixture
def asking() -> Iterator[Asking]:
    """With a job ``app`` of 100 builds."""
    jenkins = Jenkins()
    job = jenkins.job("app", "freestyle")
    for _ in range(100):
        job.build(duration=5)
    with served(jenkins.app) as server:
        yield Asking(jenkins, server.url)


def numbers_of(asking: Asking, request: Request) -> list[int]:
    """The builds that a request asks for."""
    newest_first = sorted(asking.jenkins.jobs["app"].builds, reverse=True)
    if not request.path.endswith("/app/api/json"):
        return [int(request.path.split("/")[3])]
    ask = parse_qs(request.query)["tree"][0]
    first, last = map(int, ask.rpartition("{")[2].rstrip("}").split(","))
    if ask.startswith("builds"):
        newest_first = newest_first[:100]
    return newest_first[first:last]


def poison(asking: Asking, *bad: int, answer: Answer = ERROR, fewest: bool = False) -> None:
    """Whatever holds one of the builds is answered so; with ``fewest``, their summaries too."""

    def fault(request: Request) -> Answer | None:
        if "/app/" not in request.path:
            return None
        large = "changeSet" in request.query or (fewest and "duration" in request.query)
        return answer if large and set(bad) & set(numbers_of(asking, request)) else None

    asking.jenkins.faults.append(fault)


def newest(asking: Asking, count: int = 100) -> BuildPage:
    return asking.run(lambda api: newest_builds(api, "app", count))


def numbers(page: BuildPage) -> list[int]:
    return [build.number for build in page.builds]


def without(*bad: int) -> list[int]:
    return [number for number in range(100, 0, -1) if number not in bad]


@pytest.mark.parametrize("bad", [1, 40, 64, 100])
@pytest.mark.parametrize(
    "answer",
    [
        ERROR,
        Answer(200, b"<html>blocked", {"Content-Type": "text/html"}),
        Answer(200, b'{"builds":[{"numb', JSON),
        Answer(None, b"", break_off=True),
    ],
    ids=["500", "HTML", "cut off", "broken off"],
)
def test_one_bad_build_costs_itself(asking: Asking, bad: int, answer: Answer) -> None:
    """Of a hundred, in at most twenty requests; it has the fewest fields itself."""
    poison(asking, bad, answer=answer)
    page = newest(asking)
    assert numbers(page) == without()
    assert page.unreadable == {}
    assert list(page.faults) == [bad]
    assert page.faults[bad].retry
    odd = next(build for build in page.builds if build.number == bad)
    assert (odd.duration, odd.result, odd.completed) == (5, "SUCCESS", True)
    questions = [one for one in asking.asked if not one.endswith("tree=mode")]
    retried = 8 if answer.break_off else 0  # by the transport
    assert len(questions) <= 20 + retried


def test_in_a_history_of_a_thousand(asking: Asking) -> None:
    """By places, as a backfill asks: no more than in a hundred."""
    for _ in range(900):
        asking.jenkins.jobs["app"].build(duration=5)
    poison(asking, 500)
    page = asking.run(lambda api: builds_at(api, "app", 450, 550))
    assert numbers(page) == list(range(550, 450, -1))
    assert list(page.faults) == [500]
    assert len(asking.asked) <= 20


def test_one_of_which_nothing_can_be_had(asking: Asking) -> None:
    """It is named; the others are whole."""
    poison(asking, 40, fewest=True)
    page = newest(asking)
    assert numbers(page) == without(40)
    assert (page.faults, list(page.unreadable)) == ({}, [40])
    assert page.unreadable[40] == "HTTP 500"
    assert len(asking.asked) <= 22


def test_several_bad_builds(asking: Asking) -> None:
    """Each costs itself."""
    poison(asking, 3, 50, 51)
    page = newest(asking)
    assert numbers(page) == without()
    assert sorted(page.faults) == [3, 50, 51]


def test_when_all_are_bad_all_have_the_fewest_fields(asking: Asking) -> None:
    """In a bounded number of requests."""
    poison(asking, *without())
    page = newest(asking)
    assert numbers(page) == without()
    assert sorted(page.faults) == sorted(without())
    assert len(asking.asked) <= 30


def test_where_lists_fail_builds_are_had_by_number(asking: Asking) -> None:
    """Whatever range is asked for."""
    asking.jenkins.fail("/job/app/api/json*changeSet*", status=500)
    page = newest(asking)
    assert (numbers(page), page.faults) == (without(), {})
    assert len(asking.asked) <= 2 + 7 + 100


def test_a_job_that_fails_as_a_whole_stops_early(asking: Asking) -> None:
    """Neither builds nor numbers: three requests."""
    asking.jenkins.fail("/job/app/*", status=500)
    with pytest.raises(RemoteError, match="HTTP 500"):
        newest(asking)
    assert len(asking.asked) == 3


@pytest.mark.parametrize("body", [b"{}", b'{"error":"rate limited"}', b'{"_class":"x"}', b"[]"])
def test_a_list_that_is_not_there_is_a_bad_answer(asking: Asking, body: bytes) -> None:
    """No empty list, which would say that there is no build."""
    asking.jenkins.fail("/job/app/*", status=200, body=body, headers=JSON)
    with pytest.raises(BadAnswer, match="no list builds"):
        newest(asking)
    assert len(asking.asked) == 3


def test_an_empty_list_is_one(asking: Asking) -> None:
    asking.jenkins.fail("/job/app/*", status=200, body=b'{"builds":[]}', headers=JSON)
    assert newest(asking) == BuildPage([])


def changed(asking: Asking, bad: int, values: dict[str, Any]) -> None:
    """A build is answered with other values; None takes the key away."""

    def change(answer: Answer) -> Answer:
        packed = "Content-Encoding" in answer.headers
        decoded = json.loads(gzip.decompress(answer.body) if packed else answer.body)
        for build in decoded.get("builds", [decoded]):
            if build["number"] == bad:
                build.update(values)
                for key in [key for key, value in values.items() if value is None]:
                    del build[key]
        return dataclasses.replace(answer, body=json.dumps(decoded).encode(), headers=JSON)

    def fault(request: Request) -> Answer | None:
        return Answer(None, change=change) if "/app/" in request.path else None

    asking.jenkins.faults.append(fault)


@pytest.mark.parametrize(
    ("values", "why", "retry"),
    [
        ({"duration": "5"}, "duration: expected int, got str", False),
        ({"result": 5}, "result: expected str | null, got int", False),
        ({"duration": None}, "duration: not there", True),
        ({"building": None, "inProgress": None}, "building: not there", True),
        ({"building": "no"}, "building: expected bool | null, got str", False),
        (
            {"changeSet": {"kind": "tfs", "items": [{"commitId": 3097}, {"commitId": "a"}]}},
            "changeSet.items.commitId: expected str | null, got int",
            False,
        ),
    ],
)
def test_a_value_of_a_wrong_type_costs_that_value(
    asking: Asking, values: dict[str, Any], why: str, retry: bool
) -> None:
    """One request; the builds beside it, and what else it has, are as usual."""
    changed(asking, 3, values)
    page = newest(asking)
    assert numbers(page) == without()
    assert len(asking.asked) == 1
    fault = page.faults[3]
    assert (fault.why, fault.retry) == (why, retry)
    odd = page.builds[-3]
    assert odd.timestamp > 0
    assert odd.completed == ("building" not in values)
    if "changeSet" in values:
        assert odd.changeSet is not None
        assert [change.commitId for change in odd.changeSet.items] == [None, "a"]


def test_a_build_without_a_number_is_left_out(asking: Asking) -> None:
    changed(asking, 3, {"number": "3"})
    page = newest(asking)
    assert (numbers(page), page.nameless) == (without(3), 1)


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, {"number": 2**40}, {"number": True}])
def test_what_is_no_build_is_left_out(value: Any) -> None:
    assert salvage_build(value) is None


def test_a_build_of_a_number_alone(asking: Asking) -> None:
    """It is there, it is not completed, and it is asked for again."""
    body = b'{"builds":[{"number":1,"number":7}]}'
    asking.jenkins.fail("/job/app/*", status=200, body=body, headers=JSON)
    page = newest(asking)
    assert numbers(page) == [7]
    assert not page.builds[0].completed
    assert page.faults[7].retry
    assert page.faults[7].why.startswith("timestamp: not there; duration: not there")


def test_one_build(asking: Asking) -> None:
    """By its number: whole, with the fewest fields, unreadable, or gone."""

    def one(number: int) -> BuildPage:
        return asking.run(lambda api: one_build(api, "app", number))

    assert (numbers(one(5)), one(5).faults) == ([5], {})
    poison(asking, 5)
    assert (numbers(one(5)), list(one(5).faults)) == ([5], [5])
    poison(asking, 5, fewest=True)
    assert one(5) == BuildPage([], {}, {5: "HTTP 500"})
    with pytest.raises(NotFound):
        one(101)
    asking.jenkins.clear_faults()
    asking.jenkins.fail("/job/app/5/*", status=200, body=b'{"number":6}', headers=JSON)
    assert one(5) == BuildPage([], {}, {5: "it is of #6"})


@pytest.mark.parametrize("ask", [newest_builds, builds_at, one_build])
def test_nothing_is_split_while_the_circuit_is_open(
    asking: Asking, ask: Callable[..., Any]
) -> None:
    async def work(api: Any) -> None:
        api.limiter.breaker = dataclasses.replace(
            api.limiter.breaker, state="open", next_try=2**53, why="HTTP 502"
        )
        with pytest.raises(CircuitOpen):
            await ask(api, "app", *([0, 10] if ask is builds_at else [10]))

    asking.run(work)
    assert asking.asked == []


def test_the_tree_is_of_all_that_is_needed() -> None:
    """What tells a large question from a small one, in the tests above."""
    assert "changeSet" in BUILD_TREE
