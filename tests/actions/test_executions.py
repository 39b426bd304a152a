"""IaCM's executions: read page by page, with `executions list` and `executions get`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

import pytest

from poller.core.errors import BadAnswer, NotFound, RemoteError, Unauthorized, Unreachable
from poller.delivery.iacm_client import MEANINGS, Execution, IacmClient, executions
from poller.http.client import Connection
from tests.support.simulated_iacm import FIRST_PAGES, Harness
from tests.support.simulated_iacm_site import HARNESS_KEY, Place, execution
from tests.support.site import served

NOBODYS: Mapping[str, str] = {}


T = TypeVar("T")


class Served(Harness):
    """A simulated Harness that knows where it is."""

    url = ""


@pytest.fixture
def harness() -> Iterator[Served]:
    """One of the test's own."""
    harness = Served(HARNESS_KEY)
    harness.most = 10
    with served(harness.app) as server:
        harness.url = server.url
        yield harness


def fill(harness: Served, count: int) -> None:
    """Record until there are so many."""
    for number in range(len(harness.executions), count):
        harness.record(execution(number))


def listed(
    harness: Served, filters: Mapping[str, str] = NOBODYS, limit: int | None = None
) -> list[str]:
    """The ids of what is read."""

    async def read(api: IacmClient) -> list[str]:
        return [one.pipeline_execution_id async for one in executions(api, filters, limit)]

    return with_api(harness, read)


def with_api(harness: Served, work: Callable[[IacmClient], Coroutine[Any, Any, T]]) -> T:
    """What ``work`` gives with a client of the simulated Harness."""

    async def main() -> T:
        api = IacmClient(Connection(harness.url, 5_000, 1), "acc", "org", "project", HARNESS_KEY)
        try:
            return await work(api)
        finally:
            await api.aclose()

    return asyncio.run(main())


def newest_first(count: int) -> list[str]:
    """What there is when so many were recorded."""
    return [f"e{number}" for number in reversed(range(count))]


@pytest.mark.parametrize("numbering", FIRST_PAGES)
@pytest.mark.parametrize("headers", [True, False])
def test_no_page_is_lost_or_doubled(harness: Served, numbering: str, *, headers: bool) -> None:
    """Whichever way the server counts its pages, and whether it says so: 0, 1, a page, more."""
    harness.numbering, harness.headers = numbering, headers
    for count in (0, 1, 9, 10, 11, 20, 25):
        fill(harness, count)
        assert listed(harness) == newest_first(count)
        assert listed(harness, limit=3) == newest_first(count)[:3]
        assert listed(harness, limit=12) == newest_first(count)[:12]


@pytest.mark.parametrize("numbering", FIRST_PAGES)
def test_a_list_that_grows_while_it_is_read_doubles_nothing(
    harness: Served, numbering: str
) -> None:
    """What was there at the beginning comes once, although the pages move under our feet."""
    harness.numbering = numbering
    fill(harness, 35)
    harness.on_page = lambda _page: fill(harness, len(harness.executions) + 4)
    told = listed(harness)
    assert len(told) == len(set(told))
    assert set(newest_first(35)) <= set(told)


def test_pages_are_read_when_they_are_needed(harness: Served) -> None:
    """Three of many cost one request; a hundred are asked for at most."""
    fill(harness, 500)
    harness.most = 100
    assert len(listed(harness, limit=3)) == 3
    (request,) = harness.requests
    assert request.query == "limit=3&page=0"
    assert len(listed(harness)) == 500
    assert [r.query for r in harness.requests[1:]] == [f"limit=100&page={n}" for n in range(5)]


def test_a_first_page_that_can_not_be_had_is_no_short_list(harness: Served) -> None:
    """A 500 for page 0 may mean that pages begin at 1; where they don't, it is an error."""
    fill(harness, 35)
    harness.fail("*page=0*", status=500)
    with pytest.raises(Unreachable, match="HTTP 500"):
        listed(harness)
    harness.numbering = "from 1"
    assert listed(harness) == newest_first(35)


def test_a_server_that_does_not_turn_its_pages_is_left(harness: Served) -> None:
    """The same page for ever ends in an error, not in a loop."""
    fill(harness, 1)
    body = '[{"pipeline_execution_id": "e0", "pipeline_stage_id": "s"}]'
    harness.fail(status=200, body=body, headers={"X-Total-Elements": "50"})
    with pytest.raises(BadAnswer, match="the same ones as before"):
        listed(harness)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadAnswer), (401, Unauthorized), (403, Unauthorized), (404, NotFound),
        (412, BadAnswer), (415, BadAnswer), (500, Unreachable), (302, BadAnswer),
    ],
)  # fmt: skip
def test_each_status_is_told_with_what_to_do(
    harness: Served, status: int, error: type[RemoteError]
) -> None:
    """A sentence for each that the API documents."""
    harness.fail(status=status)

    async def get(api: IacmClient) -> Execution:
        return await api.get("e0", "s")

    with pytest.raises(error, match=f"HTTP {status}") as raised:
        with_api(harness, get)
    assert raised.value.hint
    if status in MEANINGS:
        assert raised.value.hint == MEANINGS[status]


@pytest.mark.parametrize(
    "body", ["", "<html>log in</html>", "{", "null", "[1]", '[{"pipeline": 1}]', "[" * 100_000]
)
def test_an_answer_that_is_none_is_an_error(harness: Served, body: str) -> None:
    """A login page, JSON cut off, and what is of other types."""
    harness.fail(status=200, body=body)
    with pytest.raises(BadAnswer, match="not the JSON that was asked for"):
        listed(harness)


def test_an_answer_without_content_is_an_empty_list(harness: Served) -> None:
    """204 is among the API's words."""
    harness.fail(status=204)
    assert listed(harness) == []


def test_one_request_at_a_time(harness: Served) -> None:
    """However many ask: "you must send a single request at a time"."""
    fill(harness, 1)
    harness.fail(status=None, delay=0.02)

    async def together(api: IacmClient) -> list[Execution]:
        return list(await asyncio.gather(*(api.get("e0", "s") for _ in range(8))))

    assert len(with_api(harness, together)) == 8
    assert (harness.busiest, len(harness.requests)) == (1, 8)


@pytest.mark.parametrize("id_", ["../../secrets", "..", "a/b", "ä ö?x=1#f", "%2F"])
def test_an_id_leads_nowhere_else(harness: Served, id_: str) -> None:
    """It is one segment of the path, whatever it holds."""
    harness.record({**execution(1), "pipeline_execution_id": id_})

    async def get(api: IacmClient) -> Execution:
        return await api.get(id_, "s")

    assert with_api(harness, get).pipeline_execution_id == id_


def test_list_and_get_show_what_there_is(place: Place) -> None:
    """Every filter of the API; times are ISO 8601 here and milliseconds there."""
    place.harness.clock = lambda: 1_700_000_000_000
    place.harness.record(execution(1))
    place.harness.record(execution(2, workspace="dns"))
    place.harness.clock = lambda: 1_700_000_100_000
    place.harness.record(execution(3, pipeline="ours"))["status"] = "failure"

    def ids(*options: str) -> list[str]:
        return [e["pipeline_execution_id"] for e in place.site.read("executions", "list", *options)]

    assert ids() == ["e3", "e2", "e1"]
    assert ids("--workspace", "dns") == ["e2"]
    assert ids("--pipeline", "ours") == ["e3"]
    assert ids("--execution", "e1") == ["e1"]
    assert ids("--status", "failure", "--status", "active") == ["e3"]
    assert ids("--since", "2023-11-14T22:14:00Z") == ["e3"]
    assert ids("--until", "2023-11-14T22:14:00Z", "--limit", "1") == ["e2"]
    assert "start_time=1700000040000" in place.harness.requests[5].query
    told = place.site.run("executions", "list", "--limit", "1").stdout
    assert told == "2023-11-14T22:15:00Z  failure  network  ours  e3  s\n"
    one = place.site.read("executions", "get", "e2", "s")
    assert one == {
        "account": "acc", "org": "org", "project": "project", "created": "2023-11-14T22:13:20Z",
        "pipeline": "other", "pipeline_execution_id": "e2", "pipeline_stage_id": "s",
        "status": "success", "workspace": "dns",
    }  # fmt: skip
    assert "workspace: dns\n" in place.site.run("executions", "get", "e2", "s").stdout


def test_what_can_not_be_shown_is_told(place: Place) -> None:
    """Each with its exit code, and without the key."""
    cases = [
        (("executions", "get", "e9", "s"), 65, "IaCM has no execution e9 s"),
        (("executions", "list", "--since", "x"), 64, "--since x: WHEN is"),
        (("executions", "list", "--since", "1d", "--until", "2d"), 64, "not before"),
    ]
    for arguments, code, words in cases:
        result = place.site.run(*arguments)
        assert (result.returncode, words in result.stderr) == (code, True), result.stderr
    place.site.environ["HARNESS_API_KEY"] = "another-key-canary"
    result = place.site.run("executions", "list")
    assert result.returncode == 69
    assert "HTTP 401" in result.stderr
    assert "make a new one under My Profile" in result.stderr
    assert "canary" not in result.stdout + result.stderr
    del place.site.environ["HARNESS_API_KEY"]
    assert "HARNESS_API_KEY is not set" in place.site.run("executions", "list").stderr
    place.site.configure()
    assert "[harness] is missing" in place.site.run("executions", "list").stderr
