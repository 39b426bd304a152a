"""The simulated Jenkins and SEI in a process of their own, for every contender the same.

    python -m bench.servers '{"jobs": 200, "builds": 100, "began": 1700000000000}'

Prints one JSON line with the addresses, and serves until its stdin is closed. At ``/bench/…`` of
Jenkins are the counters, and the ways to change it.

With ``kept`` an answer is made once and its bytes are kept, as a Jenkins holds builds and flow
graphs once it has read them; the counters count it each time, as if all of it were cold.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import threading
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trustme

from bench.wire import Asked, Headers, answer, serve
from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins
from poller.demo.jenkins.stages import Stage, Stages, Step
from poller.demo.sample_jobs import GUID
from poller.demo.sei import Sei

FOLDERS = 300
JSON: Headers = [(b"content-type", b"application/json")]

LARGE = tuple(
    Stage(
        name,
        tuple(
            Step(parameter_description=f"./gradlew {name}:{step} --info --stacktrace")
            for step in range(steps)
        ),
    )
    for name, steps in zip(
        ("checkout", "build", "unit-tests", "integration-tests", "publish", "deploy"),
        (2, 6, 6, 6, 3, 2),
        strict=True,
    )
)
"""6 stages, 25 steps."""

LOAD_SECONDS = (3.0, 40.0)
"""How long builds of the load take."""


@dataclass(frozen=True)
class Scene:
    """What is simulated: ``jobs`` with ``builds`` each, begun in turn, job after job, every
    ``step`` ms from ``began`` (epoch ms) on. The first ``rotated`` builds of each are there no
    more. ``plugins`` are those that give stages."""

    jobs: int
    builds: int
    began: int
    step: int = 1000
    rotated: int = 0
    large: bool = False
    kept: bool = False
    plugins: Mapping[str, int] | None = None


def fill(jenkins: Jenkins, scene: Scene) -> None:
    """Pipelines in 300 folders, 3 deep."""
    stages: Stages | None = LARGE if scene.large else None
    jenkins.plugins = dict(scene.plugins or jenkins.plugins)
    for place in range(scene.jobs):
        job = jenkins.job(job_name(place))
        job.next_build_number = scene.rotated + 1
        for row in range(scene.rotated, scene.builds):
            began = scene.began + (row * scene.jobs + place) * scene.step
            job.build(timestamp=began, stages=stages)


def job_name(place: int) -> str:
    """The name of the job at that place, from 0."""
    folder = place % FOLDERS
    return f"division-{folder % 10}/team-{folder}/service-{place}"


@dataclass
class Kept:
    """An answer, and what Jenkins loaded for it."""

    whole: bytes
    builds: int
    flow_graphs: int


@dataclass
class Counters:
    """Since they were last read. ``cpu`` is this process' own, in seconds."""

    requests: int = 0
    builds_loaded: int = 0
    flow_graphs_loaded: int = 0
    answered_bytes: int = 0
    posts: int = 0


@dataclass
class Ended:
    """A build of the load: when it ended and when SEI had answered for it, epoch seconds."""

    ended: float
    answered: float | None = None


@dataclass
class Servers:
    """Both servers and what they were asked."""

    scene: Scene
    jenkins: Jenkins = field(default_factory=Jenkins)
    sei: Sei = field(default_factory=lambda: Sei(guids={GUID}))
    latency: float = 0.0
    counters: Counters = field(default_factory=Counters)
    asked: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    load: dict[tuple[str, int], Ended] = field(default_factory=dict)
    _kept: dict[tuple[str, bytes], Kept] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _cpu: float = 0.0

    def on_jenkins(self, asked: Asked) -> bytes | Awaitable[bytes]:
        """A request to Jenkins, or to the bench."""
        if asked.target.startswith("/bench/"):
            parts = urlsplit(asked.target)
            value = self._bench(parts.path, dict(parse_qsl(parts.query)))
            return answer(200, JSON, json.dumps(value).encode())
        key = (asked.target, _who(asked.headers))
        kept = self._kept.get(key)
        return self._make(asked, key) if kept is None else self._count(asked, kept)

    async def _make(self, asked: Asked, key: tuple[str, bytes]) -> bytes:
        jenkins = self.jenkins
        before = (jenkins.builds_loaded, jenkins.flow_graphs_loaded)
        whole = await through(jenkins.app, asked)
        jenkins.requests.clear()
        builds = jenkins.builds_loaded - before[0]
        made = Kept(whole, builds, jenkins.flow_graphs_loaded - before[1])
        if self.scene.kept:
            self._kept[key] = made
        return self._count(asked, made)

    def _count(self, asked: Asked, kept: Kept) -> bytes:
        self.asked.append(asked.target)
        self.counters.requests += 1
        self.counters.builds_loaded += kept.builds
        self.counters.flow_graphs_loaded += kept.flow_graphs
        self.counters.answered_bytes += len(kept.whole)
        return kept.whole

    async def on_sei(self, asked: Asked) -> bytes:
        """A request to SEI; what it took is noted and forgotten."""
        whole = await through(self.sei.app, asked)
        for run in self.sei.received:
            self.counters.posts += 1
            self.sizes.append(len(asked.body))
            ended = self.load.get((run["job_full_name"], run["build_number"]))
            if ended is not None and ended.answered is None:
                ended.answered = time.time() + self.latency
        self.sei.received.clear()
        self.sei.runs.clear()
        self.sei.requests.clear()
        return whole

    def _bench(self, path: str, given: Mapping[str, str]) -> object:
        match path:
            case "/bench/counters":
                cpu = time.process_time()
                found = vars(self.counters) | {"cpu": cpu - self._cpu}
                self.counters, self._cpu = Counters(), cpu
                return found
            case "/bench/requests":
                found_requests, self.asked = self.asked, []
                return found_requests
            case "/bench/sizes":
                found_sizes, self.sizes = self.sizes, []
                return found_sizes
            case "/bench/latency":
                self.latency = float(given["ms"]) / 1000
            case "/bench/load":
                work = self._keep_building(float(given["rate"]), float(given["seconds"]))
                self._tasks.add(asyncio.get_running_loop().create_task(work))
            case "/bench/ended":
                return [(one.ended, one.answered) for one in self.load.values()]
        return None

    async def _keep_building(self, rate: float, seconds: float) -> None:
        """Builds begin at random times in random jobs, ``rate`` a second, and end."""
        chance = random.Random(17)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        jobs = list(self.jenkins.jobs.values())
        while loop.time() < end:
            build = chance.choice(jobs).start(stages=LARGE if self.scene.large else None)
            loop.call_later(chance.uniform(*LOAD_SECONDS), self._finish, build)
            await asyncio.sleep(chance.expovariate(rate))

    def _finish(self, build: Build) -> None:
        now = time.time()
        build.finish("SUCCESS", max(1, int(now * 1000) - build.timestamp))
        self.load[build.job.full_name, build.number] = Ended(now)


def _who(headers: Mapping[bytes, bytes]) -> bytes:
    packed = b"gzip" if b"gzip" in headers.get(b"accept-encoding", b"") else b""
    return b"\n".join([headers.get(b"host", b""), headers.get(b"authorization", b""), packed])


async def through(app: Any, asked: Asked) -> bytes:
    """The answer of an ASGI app. It never waits for anything outside, so nothing comes between."""
    path, _, query = asked.target.partition("?")
    scope = {
        "type": "http", "method": asked.method, "path": path, "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"), "headers": list(asked.headers.items()),
    }  # fmt: skip
    status, headers, body = 500, list[tuple[bytes, bytes]](), list[bytes]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": asked.body}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], message["headers"]
        else:
            body.append(message["body"])

    await app(scope, receive, send)
    return answer(status, headers, b"".join(body))


def certificate() -> ssl.SSLContext:
    """TLS for localhost, with a certificate that nobody has to trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


async def main(scene: Scene) -> None:
    """Serve until stdin is closed."""
    servers = Servers(scene)
    fill(servers.jenkins, scene)
    jenkins = await serve(servers.on_jenkins, lambda: servers.latency)
    secure = await serve(servers.on_jenkins, lambda: servers.latency, certificate())
    sei = await serve(servers.on_sei, lambda: servers.latency)
    urls = {
        "jenkins": f"http://127.0.0.1:{jenkins}/",
        "sei": f"http://127.0.0.1:{sei}/",
        "domain": f"127.0.0.1:{secure}",
    }
    print(json.dumps(urls), flush=True)
    closed, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=wait, daemon=True).start()
    await closed.wait()


if __name__ == "__main__":
    asyncio.run(main(Scene(**json.loads(sys.argv[1]))))
