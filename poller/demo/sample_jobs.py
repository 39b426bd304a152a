"""A made-up company's Jenkins: folders, a multibranch project, pipelines, freestyle jobs. One
pipeline builds an image, and triggers another one that deploys it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field

from poller.demo.jenkins.builds import Build
from poller.demo.jenkins.items import Jenkins, Job

GUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
HOUR_MS = 3_600_000

PIPELINES = (
    "checkout/api",
    "checkout/web",
    "payments/ledger",
    "payments/gateway",
    "platform/images/base",
    "platform/deploy",
)
BRANCHES = ("shop/main", "shop/feature%2Fcart", "shop/PR-17")
BUILDS_IMAGE, DEPLOYS_IMAGE = "platform/images/base", "platform/deploy"
FREESTYLE = ("nightly-backup", "platform/licence report")
RESULTS = ("SUCCESS",) * 7 + ("FAILURE",) * 2 + ("UNSTABLE",)


@dataclass
class SampleJobs:
    """The jobs, and the builds that run now."""

    jobs: list[Job]
    chance: random.Random
    running: list[Build] = field(default_factory=list)

    def start(self) -> None:
        """One more build runs, somewhere."""
        self.running.append(begin(self.chance.choice(self.jobs)))

    def finish(self) -> None:
        """One of those that run is done: seldom the one that began first."""
        build = self.running.pop(self.chance.randrange(len(self.running)))
        build.finish(self.chance.choice(RESULTS))


def begin(job: Job, timestamp: int | None = None) -> Build:
    """One more build of the job; one that makes or deploys the image archives a manifest."""
    upstream = None
    if job.full_name == DEPLOYS_IMAGE:
        images = job.jenkins.jobs[BUILDS_IMAGE].builds.values()
        started = [one for one in images if timestamp is None or one.timestamp <= timestamp]
        upstream = started[-1] if started else None
    build = job.start(timestamp=timestamp, upstream=upstream)
    if job.full_name == BUILDS_IMAGE:
        build.archive("sei-artifacts.json", image(build.number, output=True))
    elif upstream is not None:
        build.archive("sei-artifacts.json", image(upstream.number, output=False))
    return build


def image(number: int, *, output: bool) -> bytes:
    """The manifest of the image that a build made, or used."""
    made = {
        "type": "container",
        "location": "registry.example.com/platform",
        "name": "base",
        "qualifier": f"1.0.{number}",
        "output": output,
        "input": not output,
    }
    return json.dumps({"artifacts": [made]}).encode()


def build_sample_jobs(jenkins: Jenkins, now: int, seed: int = 17) -> SampleJobs:
    """Fill ``jenkins`` with a history up to ``now`` (epoch ms) and a few builds that run."""
    chance = random.Random(seed)
    jenkins.multibranch("shop")
    jobs = [jenkins.job(name) for name in (*PIPELINES, *BRANCHES)]
    jobs += [jenkins.job(name, kind="freestyle") for name in FREESTYLE]
    jenkins.job("platform/never built")
    for place, job in enumerate(jobs):
        history = 130 if place == 0 else chance.randrange(5, 40)
        for age in range(history, 0, -1):
            build = begin(job, timestamp=now - age * HOUR_MS)
            build.finish(chance.choice(RESULTS), build.usual_duration())
    samples = SampleJobs(jobs, chance)
    for _ in range(4):
        samples.start()
    return samples
