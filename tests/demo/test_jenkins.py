"""The simulated Jenkins: what it counts, how it changes, how it fails."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from poller.demo.faults import Answer, Request
from poller.demo.jenkins.items import Jenkins
from poller.demo.jenkins.stages import Stage, Step
from poller.demo.server import Server
from tests.support.jenkins_restore import restart
from tests.support.site import served

CLOCK = 1_800_000_000_000


@pytest.fixture
def jenkins() -> Jenkins:
    return Jenkins(clock=lambda: CLOCK)


@pytest.fixture
def client(jenkins: Jenkins) -> Iterator[httpx.Client]:
    with (
        served(jenkins.app) as server,
        httpx.Client(base_url=server.url, auth=("reader", "reader-token")) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("expected", "tree"),
    [
        (0, "jobs[fullName,nextBuildNumber]"),
        (0, "jobs[builds[number,url]]"),
        (1, "jobs[lastBuild[number,timestamp]]"),
        (1, "jobs[lastBuild[number,timestamp],lastCompletedBuild[result]]"),
        (5, "jobs[builds[number,result]{0,5}]"),
        (100, "jobs[builds[result]]"),
        (130, "jobs[allBuilds[number]{0,10}]"),
    ],
)
def test_builds_loaded(expected: int, tree: str, jenkins: Jenkins, client: httpx.Client) -> None:
    """Each build that more than the number is asked of is loaded once; allBuilds loads all."""
    job = jenkins.job("a")
    for _ in range(130):
        job.build()
    client.get("api/json", params={"tree": tree})
    assert expected == jenkins.builds_loaded


def test_flow_graphs_loaded(jenkins: Jenkins, client: httpx.Client) -> None:
    """``runs`` reads up to ten flow graphs, ``describe`` one."""
    job = jenkins.job("a")
    for _ in range(12):
        job.build()
    runs = client.get("job/a/wfapi/runs").json()
    assert [str(n) for n in range(12, 2, -1)] == [run["id"] for run in runs]
    assert jenkins.flow_graphs_loaded == 10
    client.get("job/a/3/wfapi/describe")
    assert jenkins.flow_graphs_loaded == 11


@pytest.mark.parametrize("kind", ["pipeline", "freestyle"])
def test_post_production(kind: str, jenkins: Jenkins, client: httpx.Client) -> None:
    """While run listeners work the build is not the last completed one yet."""
    build = jenkins.job("a", kind).start()
    build.finish(post_production=True)
    tree = "lastBuild[building,inProgress,result],lastCompletedBuild[number]"
    answer = client.get("job/a/api/json", params={"tree": tree}).json()
    last = {name: answer["lastBuild"][name] for name in ("building", "inProgress", "result")}
    expected = {"building": False, "inProgress": kind == "freestyle", "result": "SUCCESS"}
    assert expected == last
    assert answer["lastCompletedBuild"] is None
    build.finish()
    answer = client.get("job/a/api/json", params={"tree": tree}).json()
    assert answer["lastCompletedBuild"]["number"] == 1


def test_finished_out_of_order(jenkins: Jenkins, client: httpx.Client) -> None:
    """The end of an older build never shows in lastCompletedBuild."""
    job = jenkins.job("a")
    first, second = job.start(), job.start()
    second.finish()
    first.finish("FAILURE")
    answer = client.get("job/a/api/json", params={"tree": "lastCompletedBuild[number]"}).json()
    assert answer["lastCompletedBuild"]["number"] == 2


def test_deleted_recreated_renamed_removed(jenkins: Jenkins, client: httpx.Client) -> None:
    """Numbers stay used after a deletion, begin anew with a new job, and go with a renamed one."""
    job = jenkins.job("team/a")
    for _ in range(3):
        job.build()
    job.delete_build(2)
    assert list(job.builds) == [1, 3]
    assert client.get("job/team/job/a/2/api/json").status_code == 404
    job.recreate()
    assert job.build().number == 1
    jenkins.rename("team/a", "team/b")
    assert client.get("job/team/job/a/api/json").status_code == 404
    assert client.get("job/team/job/b/1/api/json").json()["number"] == 1
    assert list(jenkins.jobs) == ["team/b"]
    jenkins.remove("team")
    assert client.get("job/team/api/json").status_code == 404
    assert jenkins.jobs == {}


def test_old_core_has_no_in_progress(jenkins: Jenkins, client: httpx.Client) -> None:
    """``inProgress`` is exported since 2.369."""
    jenkins.version = "2.361.4"
    jenkins.job("a").build()
    answer = client.get("job/a/1/api/json")
    assert "inProgress" not in answer.json()
    assert answer.headers["X-Jenkins"] == "2.361.4"


def test_branch_is_decoded_once(jenkins: Jenkins, client: httpx.Client) -> None:
    """``feature%252Fone`` in the path is the branch job ``feature%2Fone``, in any case of mb."""
    jenkins.multibranch("mb")
    jenkins.job("mb/feature%2Fone")
    answer = client.get("job/MB/job/feature%252Fone/api/json").json()
    assert answer["fullName"] == "mb/feature%2Fone"
    assert answer["displayName"] == "feature/one"
    assert answer["url"].endswith("/job/MB/job/feature%252Fone/")


def test_refusals(jenkins: Jenkins, client: httpx.Client) -> None:
    """A malformed tree, no trailing slash, and executors that the user may not see."""
    jenkins.job("a", "freestyle")
    jenkins.can_see_computer = False
    assert client.get("api/json?tree=jobs[").status_code == 500
    answer = client.get("job/a")
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("/job/a/")
    assert client.get("job/a/").status_code == 200
    assert client.get("computer/api/json").status_code == 403
    assert client.get("job/a/wfapi/runs").status_code == 404


def test_log(jenkins: Jenkins, client: httpx.Client) -> None:
    """``X-Text-Size`` counts what is hidden, too; more is to come while the build runs."""
    build = jenkins.job("a").start()
    answer = client.get("job/a/1/logText/progressiveText?start=0")
    assert answer.headers["X-More-Data"] == "true"
    assert "\r\n" in answer.text
    size = int(answer.headers["X-Text-Size"])
    assert size > len(answer.content)
    build.finish()
    rest = client.get(f"job/a/1/logText/progressiveText?start={size}")
    assert rest.text == "Finished: SUCCESS\r\n"
    assert "X-More-Data" not in rest.headers
    whole = client.get("job/a/1/logText/progressiveText?start=999999")
    assert whole.text == answer.text + rest.text
    assert client.get("job/a/1/logText/progressiveText?start=-1").status_code == 500


def test_stages_of_a_running_build(client: httpx.Client, jenkins: Jenkins) -> None:
    """Only what has begun shows, and the last of it is in progress."""
    steps = [Step(duration=1000), Step(duration=1000)]
    stages = [Stage("One", steps), Stage("Two", steps), Stage("Three", steps)]
    jenkins.job("a").start(stages=stages, timestamp=CLOCK - 3000)
    tree = client.get("job/a/1/wfapi/describe?fullStages=true").json()
    expected = [("One", "SUCCESS"), ("Two", "IN_PROGRESS")]
    assert expected == [(stage["name"], stage["status"]) for stage in tree["stages"]]


def test_first_hundred_steps(client: httpx.Client, jenkins: Jenkins) -> None:
    """wfapi shows a hundred steps of a stage."""
    jenkins.job("a").build(stages=[Stage("Many", [Step()] * 130)])
    tree = client.get("job/a/1/wfapi/describe?fullStages=true").json()
    assert len(tree["stages"][0]["stageFlowNodes"]) == 100


def test_faults(client: httpx.Client, jenkins: Jenkins) -> None:
    """A fault answers so often, on its path; then Jenkins answers as usual."""
    jenkins.job("a")
    jenkins.fail("*/job/a/*", status=429, headers={"Retry-After": "7"}, body="slow down", times=1)
    assert client.get("api/json").status_code == 200
    answer = client.get("job/a/api/json")
    assert (
        answer.status_code,
        answer.headers["Retry-After"],
        answer.text,
    ) == (429, "7", "slow down")
    assert client.get("job/a/api/json").status_code == 200
    jenkins.fail("*?tree=*", status=500)
    assert client.get("api/json?tree=mode").status_code == 500
    jenkins.clear_faults()
    assert client.get("api/json?tree=mode").status_code == 200


def test_broken_off(client: httpx.Client, jenkins: Jenkins) -> None:
    """The connection breaks before the answer, or in the midst of it."""
    jenkins.fail(status=None, break_off=True, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("api/json")
    jenkins.fail(status=200, body=b'{"jobs"', break_off=True, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("api/json")
    assert [request.status for request in jenkins.requests] == [0, 200]


def test_own_fault(client: httpx.Client, jenkins: Jenkins) -> None:
    """Any function may answer; late answers are the usual ones."""

    def fault(request: Request) -> Answer | None:
        return Answer(418, b"tea") if request.path == "/whoAmI/api/json" else None

    jenkins.faults.append(fault)
    jenkins.fail("/api/json", status=None, delay=60, times=1)
    jenkins.fail("/api/json", status=None, delay=0.01)
    assert client.get("whoAmI/api/json").status_code == 418
    with pytest.raises(httpx.ReadTimeout):
        client.get("api/json", timeout=httpx.Timeout(5, read=0.1))
    assert client.get("api/json").status_code == 200


def test_requests(client: httpx.Client, jenkins: Jenkins) -> None:
    """Each request is remembered as it came."""
    jenkins.multibranch("mb")
    client.get("job/mb/job/feature%252Fone/api/json?tree=jobs%5Bname%5D")
    path = "/job/mb/job/feature%252Fone/api/json"
    assert [Request("GET", path, "tree=jobs[name]", 404)] == jenkins.requests


def test_restart_on_the_same_port(jenkins: Jenkins) -> None:
    """A server can go away, with an answer under way, and come back."""
    server = Server(jenkins.app)
    server.start()
    url = server.url
    assert httpx.get(f"{url}whoAmI/api/json").status_code == 200
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}whoAmI/api/json")
    server.start()
    assert url == server.url
    assert httpx.get(f"{url}whoAmI/api/json").status_code == 200
    server.stop()


def shown(client: httpx.Client) -> tuple[object, ...]:
    """How a build looks: building, inProgress, result, duration; the last completed one; wfapi's
    status; how many executors are held, and whether the log may go on."""
    tree = "lastBuild[building,inProgress,result,duration],lastCompletedBuild[number]"
    answer = client.get("job/a/api/json", params={"tree": tree}).json()
    last, done = answer["lastBuild"], answer["lastCompletedBuild"]
    (node,) = client.get("computer/api/json?tree=computer[executors[*],oneOffExecutors[*]]").json()[
        "computer"
    ]
    held = [one for one in node["executors"] if one["currentExecutable"]]
    log = client.get("job/a/1/logText/progressiveText")
    return (
        *(last[name] for name in ("building", "inProgress", "result", "duration")),
        done and done["number"],
        client.get("job/a/1/wfapi/describe").json()["status"],
        (len(held), len(node["oneOffExecutors"])),
        "X-More-Data" in log.headers,
    )


def test_the_life_of_a_pipeline(jenkins: Jenkins, client: httpx.Client) -> None:
    """Scheduled and not begun, begun, about to end without a result and with one, ended."""
    build = jenkins.job("a").start().fetch()
    assert shown(client) == (True, False, None, 0, None, "NOT_EXECUTED", (0, 1), True)
    build.begin()
    assert shown(client) == (True, True, None, 0, None, "IN_PROGRESS", (1, 1), True)
    build.approach_end()
    assert shown(client) == (True, False, None, 0, None, "SUCCESS", (0, 1), True)
    build.approach_end("UNSTABLE")
    assert shown(client) == (False, False, "UNSTABLE", 0, 1, "UNSTABLE", (0, 1), True)
    build.finish("FAILURE", duration=9)
    assert shown(client) == (False, False, "FAILURE", 9, 1, "FAILED", (0, 0), False)


def test_a_restart(jenkins: Jenkins) -> None:
    """Pipelines resume with another queue id, one that is killed at its end stays as it is, and
    other builds vanish."""
    pipeline, ending = jenkins.job("a").start(), jenkins.job("b").start()
    jenkins.job("c", "freestyle").start()
    ending.approach_end("FAILURE")
    before = (pipeline.queue_id, ending.queue_id, jenkins.session)
    restart(jenkins)
    assert (pipeline.number, pipeline.timestamp, pipeline.in_progress) == (1, CLOCK, True)
    assert list(jenkins.running) == [pipeline]
    assert (ending.result, ending.duration, ending.queue_id) == ("FAILURE", 0, before[1])
    assert (jenkins.job("c").builds, jenkins.job("c").next_build_number) == ({}, 2)
    assert pipeline.queue_id != before[0]
    assert jenkins.session != before[2]
