"""Many simulated Jenkins and one SEI in a process of their own, with builds that come and go.

    python -m bench.load_servers CONTROLLERS JOBS

Jenkins number 17 is at ``/c-17/``, SEI at ``/sei/``; an answer of Jenkins comes 20 ms late, one of
SEI 100 ms. Prints one JSON line with the address, and serves until its stdin is closed. A POST to
``/bench/rate?N`` makes N builds a second begin, spread evenly over the controllers, and one to
``/bench/end`` ends what runs; ``/bench/counters`` says what was asked, and how late each build that ended came to SEI.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import json
import random
import sys
import threading
import time
import uuid
from typing import Any

from bench.servers import FOLDERS, LARGE
from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server

JENKINS_SECONDS, SEI_SECONDS = 0.02, 0.1
"""How late answers come: a network, and a receiver that works."""

SHORTEST, LONGEST = 5.0, 55.0
"""Seconds that a build takes."""

LAST_NUMBER = 500
"""Jobs have been built so often at most; those builds are gone, as old ones are."""

TICK = 0.02

Key = tuple[str, str, int]


def guid(place: int) -> str:
    """The instance GUID of a controller, by its place."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"c-{place}"))


def filled(jobs: int, chance: random.Random) -> Jenkins:
    """A controller with jobs in folders, 3 deep, and nothing that runs."""
    jenkins = Jenkins()
    for place in range(jobs):
        folder = place % FOLDERS
        job = jenkins.job(f"division-{folder % 10}/team-{folder}/service-{place}")
        job.next_build_number = chance.randint(1, LAST_NUMBER)
    return jenkins


class Life(threading.Thread):
    """Builds begin and end. ``ended`` holds when each did, until SEI has it."""

    def __init__(self, fleet: list[Jenkins], chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.fleet = fleet
        self.rate = 0.0
        self.ending = False
        self.ended: dict[Key, float] = {}
        self.begun = 0
        self.late = 0.0
        self._chance = chance
        self._jobs = [list(jenkins.jobs.values()) for jenkins in fleet]
        self._guids = [guid(place) for place in range(len(fleet))]
        self._running: list[tuple[float, int, str, Build]] = []
        self._due = 0.0

    def begin(self, rate: float) -> None:
        """So many builds a second begin from now on, and as many end: some run already."""
        if rate and not self.rate:
            self._due = time.time()
            for _ in range(int(rate * LONGEST / 2)):
                # Of those that run now, long ones are more, and each is somewhere in its middle.
                self._start(LONGEST * (1 - self._chance.random() ** 0.5))
        self.rate = rate

    def run(self) -> None:
        while True:
            time.sleep(TICK)
            now = time.time()
            while self.rate and self._due <= now:
                self.late = max(self.late, now - self._due)
                self._due += 1 / self.rate
                self._start(self._chance.uniform(SHORTEST, LONGEST))
            while self._running and (self.ending or self._running[0][0] <= now):
                self._end(*heapq.heappop(self._running)[2:])

    @property
    def running(self) -> int:
        """How many builds run now."""
        return len(self._running)

    def _start(self, seconds: float) -> None:
        place = self.begun % len(self.fleet)
        build = self._chance.choice(self._jobs[place]).start(stages=LARGE)
        self.begun += 1
        end = time.time() + seconds
        heapq.heappush(self._running, (end, self.begun, self._guids[place], build))

    def _end(self, instance: str, build: Build) -> None:
        key = instance, build.job.full_name, build.number
        self.ended[key] = time.time()  # before anybody can see it
        build.finish(self._chance.choice(("SUCCESS", "SUCCESS", "SUCCESS", "FAILURE")))


class App:
    """Routes to each Jenkins by the first segment of the path, and to SEI."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._sei = Sei()
        self._lags: list[float] = []
        self._taken: set[Key] = set()
        self._twice = 0
        self._asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        first = scope["path"].split("/", 2)[1]
        if first == "bench":
            await self._command(scope, send)
        elif first == "sei":
            await asyncio.sleep(SEI_SECONDS)
            await self._sei.app(scope, receive, send)
            self._take()
        else:
            await asyncio.sleep(JENKINS_SECONDS)
            self._asked += 1
            jenkins = self._life.fleet[int(first.removeprefix("c-"))]
            await jenkins.app(below(scope, f"/{first}"), receive, send)
            jenkins.requests.clear()

    def _take(self) -> None:
        now = time.time()
        for run in self._sei.received:
            key = run["instance_guid"], run["job_full_name"], run["build_number"]
            self._twice += key in self._taken
            self._taken.add(key)
            if (ended := self._life.ended.pop(key, None)) is not None:
                self._lags.append(now - ended)
        for book in (self._sei.received, self._sei.runs, self._sei.requests):
            book.clear()

    async def _command(self, scope: Any, send: Any) -> None:
        if scope["path"] == "/bench/rate":
            self._life.begin(float(scope["query_string"]))
        elif scope["path"] == "/bench/end":
            self._life.rate, self._life.ending = 0.0, True
        life = self._life
        answer = {
            "lags": self._lags,
            "asked": self._asked,
            "running": life.running,
            "waiting": len(life.ended),
            "begun": life.begun,
            "twice": self._twice,
            "cpu": time.process_time(),
            "late": life.late,
        }
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
        self._lags, self._asked, life.late = [], 0, 0.0


def below(scope: Any, prefix: str) -> dict[str, Any]:
    """The scope as an app below ``prefix`` sees it; Jenkins builds its URLs from the host."""
    headers = [
        (name, value + prefix.encode() if name == b"host" else value)
        for name, value in scope["headers"]
    ]
    raw = scope["raw_path"].removeprefix(prefix.encode())
    return {
        **scope,
        "path": scope["path"].removeprefix(prefix),
        "raw_path": raw,
        "headers": headers,
    }


def main() -> None:
    """Serve."""
    controllers, jobs = map(int, sys.argv[1:3])
    chance = random.Random(controllers)
    life = Life([filled(jobs, chance) for _ in range(controllers)], chance)
    gc.collect()
    gc.freeze()  # a look at 100,000 jobs, now and then, would be a pause that nobody measures
    life.start()
    with Server(App(life)) as server, contextlib.suppress(KeyboardInterrupt):
        print(json.dumps({"url": server.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
