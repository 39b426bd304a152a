"""What an error says of the controller: the question fails, or all of it is away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from poller.core.errors import CircuitOpen, RemoteError, Unreachable, is_away
from poller.demo.jenkins.items import Jenkins
from poller.jenkins.client import JenkinsClient
from tests.support.asking import Asking
from tests.support.site import served
from tests.support.starting_jenkins import STARTING

PROBE = "/api/json?tree=mode"


@pytest.fixture
def asking() -> Iterator[Asking]:
    """With a job ``app`` of one build."""
    jenkins = Jenkins()
    jenkins.job("app").build()
    with served(jenkins.app) as server:
        yield Asking(jenkins, server.url)


async def stages(api: JenkinsClient) -> RemoteError:
    """The error of a stage tree."""
    with pytest.raises(RemoteError) as caught:
        await api.get_json("stages", "job/app/1/wfapi/describe", {"fullStages": "true"}, dict)
    return caught.value


async def four_times(api: JenkinsClient) -> tuple[list[bool], bool]:
    """Whether each error says that the controller is away; whether the circuit is open then."""
    return [is_away(await stages(api)) for _ in range(4)], api.limiter.circuit_open


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_question_that_fails(asking: Asking, status: int) -> None:
    asking.jenkins.fail("/job/*", status=status)
    assert asking.run(four_times) == ([False] * 4, False)
    assert asking.asked.count(PROBE) == (0 if status == 500 else 4)


def test_a_question_that_takes_too_long(asking: Asking) -> None:
    asking.jenkins.fail("/job/*", status=None, delay=1.0)
    assert asking.run(four_times, timeout=100) == ([False] * 4, False)


def test_an_item_tree_that_fails(asking: Asking) -> None:
    """Whatever its status: the top is not asked by name."""
    asking.jenkins.fail("/api/json?tree=jobs*", status=500)

    async def work(api: JenkinsClient) -> Unreachable:
        with pytest.raises(Unreachable) as caught:
            await api.items("", "jobs")
        return caught.value

    assert not asking.run(work).away
    asking.jenkins.fail(status=500)
    assert asking.run(work).away


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_controller_that_is_away(asking: Asking, status: int) -> None:
    """After three questions none is asked; all of them say so."""
    asking.jenkins.fail(status=status)
    assert asking.run(four_times) == ([True] * 4, True)
    assert len(asking.asked) == 6


@pytest.mark.parametrize(("status", "body"), [(429, b""), (503, STARTING)])
def test_what_is_said_of_the_controller_needs_no_look(
    asking: Asking, status: int, body: bytes
) -> None:
    asking.jenkins.fail("/job/*", status=status, body=body)
    assert asking.run(four_times) == ([True] * 4, True)
    assert PROBE not in asking.asked


def test_a_refused_connection_needs_no_look() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    asking = Asking(Jenkins(), url)
    assert asking.run(four_times) == ([True] * 4, True)

    async def work(api: JenkinsClient) -> int:
        await four_times(api)
        return api.requests

    assert asking.run(work) == 3


def test_those_that_fail_together_share_one_look(asking: Asking) -> None:
    asking.jenkins.fail("/job/*", status=504, delay=0.1)
    asking.jenkins.fail(PROBE, status=None, delay=0.3)

    async def work(api: JenkinsClient) -> list[RemoteError]:
        return await asyncio.gather(*(stages(api) for _ in range(4)))

    assert not any(is_away(error) for error in asking.run(work))
    assert asking.asked.count(PROBE) == 1


def test_a_log_that_fails(asking: Asking) -> None:
    """What is read while it comes is no exception."""

    async def work(api: JenkinsClient) -> list[bool]:
        found = []
        for _ in range(2):
            with pytest.raises(RemoteError) as caught:
                async with api.stream("log", "job/app/1/consoleText", {}, 9, 5.0) as (_, chunks):
                    [part async for part in chunks]
            found.append(is_away(caught.value))
            asking.jenkins.fail(status=None, break_off=True)
        return found

    asking.jenkins.fail("*consoleText", status=None, break_off=True)
    assert asking.run(work) == [False, True]


def test_an_open_circuit_is_away() -> None:
    assert is_away(CircuitOpen("controller main", "", "circuit open"))
    assert not is_away(Unreachable("controller main", "app", "HTTP 500"))
