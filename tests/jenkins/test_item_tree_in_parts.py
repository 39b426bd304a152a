"""An item tree that can't be had at once: in so few parts as can be, each folder for itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from poller.core.errors import BadAnswer, RemoteError
from poller.core.patterns import Globs
from poller.demo.faults import Answer, Request
from poller.demo.jenkins.items import Folder, Item, Jenkins
from poller.jenkins.client import JenkinsClient
from poller.jenkins.discovery import ItemTree, fetch_items
from poller.jenkins.folder_memory import FORGOTTEN, FolderMemory
from tests.support.asking import Asking
from tests.support.site import served

JSON = {"Content-Type": "application/json;charset=utf-8"}
ERROR = Answer(500, b"<html>oops", {"Content-Type": "text/html"})
BAD = {
    "500": ERROR,
    "HTML": Answer(200, b"<html>blocked", {"Content-Type": "text/html"}),
    "gateway": Answer(504, b"", {"Content-Type": "text/html"}),
    "no jobs": Answer(200, b'{"_class":"x"}', JSON),
    "jobs of a wrong type": Answer(200, b'{"jobs":{"a":1}}', JSON),
}


@pytest.fixture
def asking() -> Iterator[Asking]:
    """Twenty folders of ten jobs each, and a job."""
    jenkins = Jenkins()
    for folder in range(20):
        for job in range(10):
            jenkins.job(f"f-{folder:02}/job-{job}", "freestyle").build()
    jenkins.job("top", "freestyle")
    with served(jenkins.app) as server:
        yield Asking(jenkins, server.url)


def jobs_below(item: Item) -> int:
    if not isinstance(item, Folder):
        return 1
    return sum(jobs_below(child) for child in item.items())


def asked_for(asking: Asking, request: Request) -> list[Item]:
    """The items whose subtrees a request asks for."""
    names = [part for part in request.path.split("/")[1:-2] if part != "job"]
    folder = asking.jenkins.find("/".join(names))
    tree = parse_qs(request.query).get("tree", [""])[0]
    if not isinstance(folder, Folder) or not tree.startswith("jobs["):
        return []
    items = folder.items()
    if tree.endswith("}"):
        first, last = map(int, tree.rpartition("{")[2].rstrip("}").split(","))
        items = items[first:last]
    return items if "jobs[_class" in tree[5:] else []


def poison(asking: Asking, name: str, answer: Answer = ERROR) -> None:
    """Whatever holds what is in this folder is answered so."""

    def fault(request: Request) -> Answer | None:
        if request.path.startswith(f"/job/{name}/"):
            return answer
        return answer if any(i.name == name for i in asked_for(asking, request)) else None

    asking.jenkins.faults.append(fault)


def at_most(asking: Asking, jobs: int) -> None:
    """What holds more jobs than that can't be had."""

    def fault(request: Request) -> Answer | None:
        count = sum(jobs_below(item) for item in asked_for(asking, request))
        return Answer(504, b"", {"Content-Type": "text/html"}) if count > jobs else None

    asking.jenkins.faults.append(fault)


def read(asking: Asking, polls: int = 1, globs: Globs | None = None) -> list[tuple[ItemTree, int]]:
    """The tree of each poll of one process, and its requests."""

    async def work(api: JenkinsClient) -> list[tuple[ItemTree, int]]:
        trees = []
        for _ in range(polls):
            before = api.requests
            tree = await fetch_items(api, None, first=False, globs=globs)
            trees.append((tree, api.requests - before))
        return trees

    return asking.run(work)


def everything(*left_out: str) -> set[str]:
    names = {f"f-{folder:02}/job-{job}" for folder in range(20) for job in range(10)} | {"top"}
    return {name for name in names if name.partition("/")[0] not in left_out}


def test_in_good_weather_it_is_one_request(asking: Asking) -> None:
    ((tree, requests),) = read(asking)
    assert (set(tree.items), tree.unread, requests) == (everything(), {}, 1)


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", ["f-00", "f-07", "f-19"])
def test_one_bad_folder_costs_itself(asking: Asking, name: str, answer: Answer) -> None:
    """It is named, and what was learned spares requests in the next poll."""
    poison(asking, name, answer)
    (first, some), (second, fewer) = read(asking, 2)
    for tree in (first, second):
        assert set(tree.items) == everything(name)
        assert list(tree.unread) == [name]
    looks = 10 if answer.status != 200 else 0  # whether it is away
    assert some <= 22 + looks
    assert fewer <= 10 + looks


def test_one_bad_folder_that_is_excluded_is_not_asked_for(asking: Asking) -> None:
    poison(asking, "f-07")
    ((tree, _),) = read(asking, globs=Globs(["**"], ["f-07/**"]))
    assert (set(tree.items), tree.unread) == (everything("f-07"), {})
    assert not [one for one in asking.asked if one.startswith("/job/f-07/")]


@pytest.mark.parametrize("most", [100, 45, 9, 3])
def test_a_tree_that_is_too_large_is_had_in_parts(asking: Asking, most: int) -> None:
    """Folders at once, a folder, or a part of one; the next poll asks for as much as could be
    had."""
    at_most(asking, most)
    (first, some), (second, fewer) = read(asking, 2)
    for tree in (first, second):
        assert (set(tree.items), tree.unread) == (everything(), {})
    assert fewer < some
    assert fewer <= {100: 6, 45: 16, 9: 100, 3: 220}[most]


def test_one_that_is_larger_than_the_limit(asking: Asking) -> None:
    """Of bytes."""
    size = len(json.dumps([*everything()])) * 2

    async def work(api: JenkinsClient) -> ItemTree:
        return await fetch_items(api, None, first=False)

    tree = asking.run(work, answer_limit=size)
    assert (set(tree.items), tree.unread) == (everything(), {})
    assert len(asking.asked) > 3


def test_a_top_of_which_nothing_can_be_had_stops_early(asking: Asking) -> None:
    """Two requests, and a look whether the controller is away."""
    asking.jenkins.fail("/api/json?tree=jobs*", status=500)
    with pytest.raises(RemoteError, match="HTTP 500"):
        read(asking)
    assert len(asking.asked) <= 4


@pytest.mark.parametrize("body", [b"{}", b'{"error":"rate limited"}', b'{"jobs":null}', b"[]"])
def test_a_top_without_a_list_is_a_bad_answer(asking: Asking, body: bytes) -> None:
    asking.jenkins.fail("/api/json?tree=jobs*", status=200, body=body, headers=JSON)
    with pytest.raises(BadAnswer, match="no jobs in it"):
        read(asking)


def test_a_folder_in_the_tree_without_a_list_is_not_empty(asking: Asking) -> None:
    """Of a folder's class, or with another thing in its place."""
    folder = "com.cloudbees.hudson.plugins.folder.Folder"
    jobs = [
        {"_class": folder, "fullName": "a"},
        {"_class": "x", "fullName": "b", "jobs": None},
        {"_class": "x", "fullName": "neither"},
        {"_class": folder, "fullName": "empty", "jobs": []},
    ]
    body = json.dumps({"jobs": jobs})
    asking.jenkins.fail("/api/json?tree=jobs*", status=200, body=body, headers=JSON)
    ((tree, _),) = read(asking)
    assert sorted(tree.unread) == ["a", "b"]
    assert "controller main: a: there are no jobs in it" in tree.unread.values()


def test_one_who_knows_no_ranges(asking: Asking) -> None:
    """A cache that takes no notice of them gives all at once: that is the end."""
    jobs = [{"_class": "x", "fullName": f"j{n}", "nextBuildNumber": 2} for n in range(500)]
    asking.jenkins.fail(
        "/api/json?tree=jobs*}", status=200, body=json.dumps({"jobs": jobs}), headers=JSON
    )
    asking.jenkins.fail(
        "/api/json?tree=jobs*%7D", status=200, body=json.dumps({"jobs": jobs}), headers=JSON
    )
    asking.jenkins.fail("/api/json?tree=jobs*", status=500)
    ((tree, requests),) = read(asking)
    assert len(tree.items) == 500
    assert requests <= 5


def test_what_was_learned_is_forgotten() -> None:
    now = 0.0
    memory = FolderMemory(lambda: now)
    memory.learn("a").size = 7
    now = FORGOTTEN - 1
    parts = memory.get("a")
    assert parts is not None
    assert parts.size == 7
    now = FORGOTTEN
    assert memory.get("a") is None


@pytest.mark.parametrize(
    ("glob", "folder", "covered"),
    [
        ("a/**", "a", True), ("a/**", "a/b", True), ("a/**", "ab", False), ("**", "a", False),
        ("a/*", "a", False), ("**/old/**", "x/old", True), ("**/old/**", "old/x", True),
        ("a/b/**", "a", False), ("a-*/**", "a-1/b/c", True),
    ],
)  # fmt: skip
def test_what_is_excluded_below_a_folder(glob: str, folder: str, covered: bool) -> None:
    assert Globs(["**"], [glob]).excludes_all_below(folder) is covered
