"""Jenkins' tree language, on what a real Jenkins answered."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from poller.demo.jenkins.tree_query import parse, select
from tests.support.replay import RECORDINGS

MANIFEST: list[dict[str, Any]] = json.loads((RECORDINGS / "MANIFEST.json").read_text("utf-8"))
DERIVED = (
    "actions_plain",
    "builds_plain",
    "causes_fields",
    "causes_only_short",
    "class_only",
    "without_class_but_number",
)
FIRST_THREE = [{"n": 0}, {"n": 1}, {"n": 2}]


def recorded(file: str) -> Any:
    return json.loads((RECORDINGS / file).read_text(encoding="utf-8"))


def tree_of(entry: dict[str, Any]) -> str:
    return unquote(urlsplit(entry["path_with_query"]).query.partition("tree=")[2])


def without_bare(answer: dict[str, Any]) -> dict[str, Any]:
    """Without actions that export nothing: their number changed between the recordings."""
    for build in answer["builds"]:
        if "actions" in build:
            build["actions"] = [action for action in build["actions"] if action]
    return answer


FROM_WIDE = [e for e in MANIFEST if e["file"].startswith(tuple(f"trees/{n}__" for n in DERIVED))]


@pytest.mark.parametrize("entry", FROM_WIDE, ids=[e["file"] for e in FROM_WIDE])
def test_narrow_tree_is_what_jenkins_answered(entry: dict[str, Any]) -> None:
    """Each narrow answer is the recorded wide one, reduced by its tree."""
    job = entry["file"].rpartition("__")[2].removesuffix(".json")
    wide = recorded(f"{job}/job_builds_full.json")
    narrow = recorded(entry["file"])
    assert without_bare(narrow) == without_bare(select(wide, parse(tree_of(entry))))


RANGES = [
    e
    for e in MANIFEST
    if e["file"].startswith(("many-130/", "many-130p/"))
    and "allBuilds_" in e["file"]
    and "builds_norange" not in e["file"]
]


@pytest.mark.parametrize("entry", RANGES, ids=[e["file"] for e in RANGES])
def test_range_is_what_jenkins_answered(entry: dict[str, Any]) -> None:
    """Each part of the whole history is the recorded one."""
    whole = recorded(f"{entry['file'].partition('/')[0]}/allBuilds.json")
    assert recorded(entry["file"]) == select(whole, parse(tree_of(entry)))


@pytest.mark.parametrize(
    ("expected", "tree"),
    [
        ({"a": 1}, "a"),
        ({"a": 1}, "nosuch,a"),
        ({}, "nosuch"),
        ({}, "a(n)"),
        ({"b": {}}, "b"),
        ({"b": {"c": 2}}, "b[c]"),
        ({"b": {"c": 2}}, "b[*]"),
        ({"a": 1, "b": {}, "l": [{}, {}, {}], "s": ["x"]}, "*"),
        ({"a": 1, "b": {"c": 2}, "l": FIRST_THREE, "s": ["x"]}, "*[*]"),
        ({"l": [{}, {}, {}]}, "l"),
        ({"l": FIRST_THREE}, "l[n]"),
        ({"l": FIRST_THREE[1:2]}, "l[n]{1}"),
        ({"l": FIRST_THREE[:2]}, "l[n]{,2}"),
        ({"l": FIRST_THREE[1:]}, "l[n]{1,}"),
        ({"l": []}, "l[n]{7,9}"),
        ({"s": ["x"]}, "s"),
    ],
)
def test_select(expected: Any, tree: str) -> None:
    """The rules of the language, one by one."""
    value = {"a": 1, "b": {"c": 2}, "l": FIRST_THREE, "s": ["x"]}
    assert expected == select(value, parse(tree))


def test_map_keys_are_data() -> None:
    """The tree applies to the values of a map, as to git's builds by branch."""
    value = {
        "buildsByBranchName": {"main": {"_class": "Build", "buildNumber": 4, "marked": {"S": 1}}}
    }
    expected = {"buildsByBranchName": {"main": {"_class": "Build", "buildNumber": 4, "marked": {}}}}
    assert expected == select(value, parse("buildsByBranchName[*[buildNumber]]"))


@pytest.mark.parametrize(
    "tree", ["", "a[", "a[]", "a]", "a,,b", "a{", "a{x}", "a{1", "a}b", "[a]", "a[b]c"]
)
def test_malformed(tree: str) -> None:
    """What Jenkins refuses is refused."""
    with pytest.raises(ValueError, match=r".+"):
        parse(tree)


def test_unasked_is_not_read() -> None:
    """A property is read only when the tree asks for it."""

    class Job:
        class_name = "Job"

        def __init__(self) -> None:
            self.read: list[str] = []
            self.properties = {"name": self._get("name"), "lastBuild": self._get("lastBuild")}

        def _get(self, name: str) -> Any:
            return lambda _job, _asked: self.read.append(name)

    job = Job()
    expected = {"_class": "Job", "name": None}
    assert expected == select(job, parse("name"))
    assert job.read == ["name"]


def test_ten_thousand_jobs_are_read_once_each() -> None:
    """The item tree of a big controller: each property that is asked for, and no other."""
    read: Counter[str] = Counter()

    def get(name: str) -> Any:
        return lambda job, _asked: read.update([name]) or job.values[name]

    properties = {name: get(name) for name in ("fullName", "nextBuildNumber", "lastBuild")}

    class Job:
        class_name = "Job"

        def __init__(self, number: int) -> None:
            self.properties = properties
            self.values = {"fullName": f"j{number}", "nextBuildNumber": number}

    jobs = [Job(number) for number in range(10_000)]
    selected = select({"jobs": jobs}, parse("jobs[fullName,nextBuildNumber]"))
    assert selected["jobs"] == [{"_class": "Job", **job.values} for job in jobs]
    assert read == {"fullName": 10_000, "nextBuildNumber": 10_000}
