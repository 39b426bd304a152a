"""The builds above a build, asked of a Jenkins over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins
from poller.http.client import Connection
from poller.jenkins.build import LISTED_FILES
from poller.jenkins.build_pages import whole_build
from poller.jenkins.client import JenkinsClient
from poller.mapping.causes import MOST as MOST_LINKS
from poller.polling.extras.manifests import Manifests, manifests
from poller.polling.extras.upstream import (
    BUILD_BYTES,
    DEEPEST,
    MOST,
    Ancestry,
    UpstreamCauses,
    size,
)
from tests.support.site import served

T = TypeVar("T")


class Asked:
    """A simulated Jenkins, and what is asked of it."""

    def __init__(self, jenkins: Jenkins, url: str) -> None:
        self.jenkins = jenkins
        self._url = url

    def run(self, work: Callable[[JenkinsClient], Awaitable[T]]) -> T:
        """What ``work`` gives."""

        async def main() -> T:
            connection = Connection(self._url, 5_000, 4)
            api = JenkinsClient("main", connection, "reader", "reader-token")
            try:
                return await work(api)
            finally:
                await api.aclose()

        return asyncio.run(main())

    def ancestry(self, *builds: Build, remembered: int = 2**20) -> list[Ancestry]:
        """What is above each of the builds, asked at the same time."""

        async def work(api: JenkinsClient) -> list[Ancestry]:
            upstream = UpstreamCauses(api, remembered)
            read = [await whole_build(api, b.job.full_name, b.number) for b in builds]
            self.jenkins.requests.clear()
            jobs = [b.job.full_name for b in builds]
            asked = zip(jobs, read, strict=True)
            return await asyncio.gather(*(upstream.of(job, build) for job, build in asked))

        return self.run(work)

    def archived(self, build: Build) -> Manifests:
        """The manifests of a build."""

        async def work(api: JenkinsClient) -> Manifests:
            read = await whole_build(api, build.job.full_name, build.number)
            self.jenkins.requests.clear()
            return await manifests(api, build.job.full_name, read)

        return self.run(work)


@pytest.fixture
def asked() -> Iterator[Asked]:
    """With nothing built yet."""
    jenkins = Jenkins()
    with served(jenkins.app) as server:
        yield Asked(jenkins, server.url)


def names(ancestry: Ancestry) -> list[str]:
    """What is above, as ``job #number``."""
    return [f"{up.job} #{up.number}" for up in ancestry.builds]


def in_a_row(jenkins: Jenkins, length: int) -> Build:
    """The last of so many builds, each triggered by the one before."""
    build = jenkins.job("job-0").build(user="ada")
    for n in range(1, length):
        build = jenkins.job(f"job-{n}").build(upstream=build)
    return build


def test_a_chain_upwards(asked: Asked) -> None:
    """Each build above once, nearest first, with its causes."""
    (found,) = asked.ancestry(in_a_row(asked.jenkins, 4))
    assert names(found) == ["job-2 #1", "job-1 #1", "job-0 #1"]
    assert found.builds[-1].causes[0]["userId"] == "ada"
    assert found.retry == ""


def test_a_build_without_one_above_costs_nothing(asked: Asked) -> None:
    """No request at all."""
    (found,) = asked.ancestry(asked.jenkins.job("alone").build())
    assert Ancestry() == found
    assert asked.jenkins.requests == []


def test_no_deeper_than_ten(asked: Asked) -> None:
    """And no request beyond."""
    (found,) = asked.ancestry(in_a_row(asked.jenkins, 15))
    assert DEEPEST == len(found.builds) == len(asked.jenkins.requests)


def test_no_build_twice(asked: Asked) -> None:
    """Builds that name each other, as of jobs created anew."""
    one = asked.jenkins.job("one").start(timestamp=1_000)
    two = asked.jenkins.job("two").start(timestamp=1_000, upstream=one)
    one.upstream = two
    one.finish()
    (found,) = asked.ancestry(one)
    assert names(found) == ["two #1"]


def test_many_above_have_an_end(asked: Asked) -> None:
    """One build that a hundred others triggered together."""
    jenkins = asked.jenkins
    above = [jenkins.job(f"up-{n}").build(timestamp=1_000) for n in range(MOST + 10)]
    named = [
        {
            "_class": "hudson.model.Cause$UpstreamCause",
            "upstreamProject": up.job.full_name,
            "upstreamBuild": up.number,
        }
        for up in above
    ]
    action = {"_class": "hudson.model.CauseAction", "causes": named}
    (found,) = asked.ancestry(jenkins.job("down").build(actions=[action]))
    assert len(found.builds) == MOST


def test_an_answer_is_asked_for_once(asked: Asked) -> None:
    """Of twenty builds that one build triggered, asked for at the same time."""
    up = asked.jenkins.job("up").build()
    down = [asked.jenkins.job(f"down-{n}").build(upstream=up) for n in range(20)]
    found = asked.ancestry(*down)
    assert [names(one) for one in found] == [["up #1"]] * 20
    assert len(asked.jenkins.requests) == 1


def test_memory_is_bounded(asked: Asked) -> None:
    """What was not needed for longest is asked for again."""

    async def work(api: JenkinsClient) -> int:
        upstream = UpstreamCauses(api, 2 * BUILD_BYTES)
        for name in ("down-0", "down-1", "down-2", "down-2", "down-0"):
            await upstream.of(name, await whole_build(api, name, 1))
        return sum("up-" in request.path for request in asked.jenkins.requests)

    for n in range(3):
        up = asked.jenkins.job(f"up-{n}").build()
        asked.jenkins.job(f"down-{n}").build(upstream=up)
    assert asked.run(work) == 4


def test_one_with_causes_without_end_takes_little(asked: Asked) -> None:
    """Only what a run has of them is remembered, and no text that is not used."""
    cause = {
        "_class": "hudson.model.Cause$UserIdCause",
        "userId": "ada",
        "shortDescription": "x" * 999,
    }
    action = {"_class": "hudson.model.CauseAction", "causes": [cause] * 3000}
    up = asked.jenkins.job("up").build(actions=[action])
    (found,) = asked.ancestry(asked.jenkins.job("down").build(upstream=up))
    (known,) = found.builds
    assert len(known.causes) == MOST_LINKS
    assert {tuple(one) for one in known.causes} == {("_class", "userId")}
    assert size(known) < 64 * 1024


def test_what_is_remembered_goes_when_the_job_is_another_one(asked: Asked) -> None:
    """Created anew, its build of the same number triggers again: that one counts."""
    jenkins = asked.jenkins

    async def work(api: JenkinsClient) -> list[Ancestry]:
        upstream = UpstreamCauses(api, clock=lambda: 2_500)
        first = await whole_build(api, "down", 1)
        found = [await upstream.of("down", first)]
        jenkins.jobs["up"].recreate()
        above = jenkins.job("up").build(timestamp=3_000, user="bob")
        jenkins.job("down").build(timestamp=4_000, upstream=above)
        found.append(await upstream.of("down", await whole_build(api, "down", 2)))
        found.append(await upstream.of("down", first))
        return found

    above = jenkins.job("up").build(timestamp=1_000, user="alice")
    jenkins.job("down").build(timestamp=2_000, upstream=above)
    found = [one.builds[0] for one in asked.run(work)]
    assert [up.causes[0]["userId"] if up.causes else up.ended for up in found] == [
        "alice", "bob", "another build by now",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [404, 403])
def test_a_build_that_can_not_be_read_ends_the_chain(asked: Asked, status: int) -> None:
    """With what is known, and why."""
    last = in_a_row(asked.jenkins, 4)
    asked.jenkins.fail("/job/job-1/1/*", status=status)
    (found,) = asked.ancestry(last)
    assert names(found) == ["job-2 #1", "job-1 #1"]
    assert f"HTTP {status}" in found.builds[-1].ended
    assert (found.retry, found.builds[-1].causes) == ("", ())


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, "<html>log in</html>", "text/html where JSON is due"),
        (302, "", "HTTP 302 sends us to"),
    ],
)
def test_causes_that_were_spoilt_are_worth_another_try(
    asked: Asked, status: int, body: str, why: str
) -> None:
    """A proxy's page today may be Jenkins' answer tomorrow."""
    last = in_a_row(asked.jenkins, 4)
    asked.jenkins.fail("/job/job-1/1/*", status=status, body=body)
    (found,) = asked.ancestry(last)
    assert why in found.retry


def test_a_job_created_anew_is_not_the_one_that_triggered(asked: Asked) -> None:
    """Its build of that number began later than the build that it should have triggered."""
    up = asked.jenkins.job("up").build(timestamp=1_000)
    down = asked.jenkins.job("down").build(timestamp=2_000, upstream=up)
    up.job.recreate()
    up.job.build(timestamp=3_000, user="eve")
    (found,) = asked.ancestry(down)
    assert found.builds[0].ended == "another build by now"
    assert found.builds[0].causes == ()


def test_an_outage_is_told_and_forgotten(asked: Asked) -> None:
    """All who wait for the answer are told; the next one asks again."""
    up = asked.jenkins.job("up").build()
    down = [asked.jenkins.job(f"down-{n}").build(upstream=up) for n in range(3)]

    async def work(api: JenkinsClient) -> list[Ancestry]:
        upstream = UpstreamCauses(api)
        read = [(b.job.full_name, await whole_build(api, b.job.full_name, 1)) for b in down]
        asked.jenkins.fail("/job/up/*", status=500)
        first = await asyncio.gather(*(upstream.of(*one) for one in read))
        assert [one.retry for one in first] == ["controller main: causes of up #1: HTTP 500"] * 3
        asked.jenkins.clear_faults()
        return [await upstream.of(*read[0])]

    (found,) = asked.run(work)
    assert (names(found), found.retry) == (["up #1"], "")


def test_manifests_are_read(asked: Asked) -> None:
    """In whatever folder; a build without one costs no request."""
    text = b'{"type":"container","location":"r","name":"%s","qualifier":"1","output":true}'
    build = asked.jenkins.job("app").build()
    build.archive("target/app.jar", b"PK")
    assert Manifests() == asked.archived(build)
    assert asked.jenkins.requests == []
    build.archive("sei-artifacts.json", text % b"a")
    build.archive("mod ule/ü & #/sei-artifacts.json", text % b"b")
    build.archive("artifact-manifest.json", text % b"c")
    found = asked.archived(build)
    assert [one.artifacts[0].name for one in found.read] == ["c", "a", "b"]
    assert found.wrong == ()


def test_manifests_that_are_not_listed(asked: Asked) -> None:
    """Of a build with more files than are listed, both are asked for by name."""
    build = asked.jenkins.job("app").build()
    for n in range(LISTED_FILES + 5):
        build.archive(f"a/{n}.txt", b"")
    build.archive("sei-artifacts.json", b"{}")
    found = asked.archived(build)
    assert found.wrong == ("sei-artifacts.json: lacks type, location, name, qualifier",)
    assert [request.status for request in asked.jenkins.requests] == [404, 200]


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ({"status": 200, "body": "x" * (1024 * 1024 + 1)}, "the answer is larger than 1048576 bytes"),
        ({"status": 302, "headers": {"Location": "https://bucket.s3.example.com/k?X-Amz-Signature=s"}},
         "HTTP 302 sends us to https://bucket.s3.example.com, not followed"),
        ({"status": 403}, "HTTP 403"),
        ({"status": 200, "body": "log in", "headers": {"Content-Type": "text/plain"}}, "not JSON: JSON is malformed: invalid character (byte 0)"),
    ],
)  # fmt: skip
def test_manifests_that_can_not_be_used(asked: Asked, fault: dict[str, object], wrong: str) -> None:
    """Are named, with the reason; no address is followed, and no secret of one told."""
    build = asked.jenkins.job("app").build()
    build.archive("sei-artifacts.json", b"{}")
    asked.jenkins.fail("*/artifact/*", **fault)  # type: ignore[arg-type]
    assert Manifests(wrong=(f"sei-artifacts.json: {wrong}",)) == asked.archived(build)


@pytest.mark.parametrize(
    "path", ["../sei-artifacts.json", "a/../../sei-artifacts.json", "a//sei-artifacts.json",
             "..\\sei-artifacts.json", "./sei-artifacts.json"],
)  # fmt: skip
def test_paths_that_lead_out_are_not_asked_for(asked: Asked, path: str) -> None:
    """Jenkins never lists one; whoever answers in its place might."""
    build = asked.jenkins.job("app").build()
    build.archive(path, b"{}")
    build.artifacts[0]["fileName"] = "sei-artifacts.json"
    assert Manifests() == asked.archived(build)
    assert asked.jenkins.requests == []


def test_an_outage_is_worth_another_try(asked: Asked) -> None:
    """And says what could not be had."""
    build = asked.jenkins.job("app").build()
    build.archive("sei-artifacts.json", b"{}")
    asked.jenkins.fail("*/artifact/*", status=500)
    found = asked.archived(build)
    assert found.retry == "controller main: sei-artifacts.json of app #1: HTTP 500"


def test_a_page_to_log_in_is_worth_another_try(asked: Asked) -> None:
    """It stands where a manifest is due."""
    build = asked.jenkins.job("app").build()
    build.archive("sei-artifacts.json", b"{}")
    asked.jenkins.fail("*/artifact/*", status=200, body="<html>log in</html>")
    assert "a web page where a file is due" in asked.archived(build).retry
