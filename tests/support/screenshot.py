"""`make screenshot`: the status page of the real service on simulated servers, as docs/*.png."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import httpx

from poller.demo.jenkins.items import Jenkins
from poller.demo.jenkins.stages import Stage, Step
from poller.demo.sample_jobs import GUID, HOUR_MS, SampleJobs, build_sample_jobs
from poller.demo.sei import Sei
from poller.demo.server import Server
from tests.support.browser import browser
from tests.support.site import Site, free_port

DOCS = Path(__file__).parents[2] / "docs"
READY_SECONDS = 60.0
REFUSAL = '{"error": "repo_url is not a repository of this account"}'
EMPTY = 'sei_poller_outbox_builds{controller="platform",sink="sei"} 0.0'
JOB, NUMBER = "checkout/api", 131
ERROR = {"message": "script returned exit code 2", "type": "hudson.AbortException"}
LOG = """\
+ make test
cc -c -o cart.o cart.c
cart.c:41:12: error: 'total' undeclared (first use in this function)
make: *** [Makefile:9: cart.o] Error 1
"""
BUILD = "status-page-build"
SHOTS: tuple[tuple[str, Literal["light", "dark"], int], ...] = (
    ("status-page", "light", 1240),
    (BUILD, "light", 1240),
)


def main(directory: Path = DOCS) -> None:
    """Write status-page.png, and the page of a build."""
    jenkins, sei = Jenkins(), Sei(guids={GUID})
    samples = build_sample_jobs(jenkins, time.time_ns() // 1_000_000 - HOUR_MS // 3)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Server(jenkins.app) as jenkins_server,
        Server(sei.app) as sei_server,
    ):
        site = Site(Path(temporary), jenkins, sei, jenkins_server, sei_server)
        port = free_port()
        site.configure(
            site.controller("platform", every="2s", since="7d", logs="failed"),
            site.controller("mobile", url="http://127.0.0.1:1/", every="2s"),
            more=f'[status]\nlisten = "{port}"',
        )
        with site.start("run") as service:
            try:
                _live(site, samples, f"http://127.0.0.1:{port}/")
                _shoot(f"http://127.0.0.1:{port}/", directory)
            finally:
                service.terminate()
                service.communicate(timeout=60)


def _live(site: Site, samples: SampleJobs, url: str) -> None:
    """History arrives; builds finish, and SEI refuses a few of them."""
    _wait(url, "delivered")
    site.sei.fail("*/custom-cicd", status=422, body=REFUSAL, times=3)
    _fail(site.jenkins)
    for _ in range(8):
        samples.start()
        samples.finish()
    _wait(url, "rejected 3 builds", "has never answered")


def _fail(jenkins: Jenkins) -> None:
    """One more build of the job with most, with what explains its failure."""
    failed = Step(status="FAILURE", duration=300, error=ERROR, log=LOG)
    stages = [Stage("Checkout", [Step()]), Stage("Build", [Step(), failed], "FAILURE", ERROR)]
    build = jenkins.job(JOB).start(stages=stages)
    build.finish("FAILURE", build.usual_duration())


def _wait(url: str, *signs: str) -> None:
    """Until the page has the signs and nothing is queued."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            page, metrics = httpx.get(url).text, httpx.get(f"{url}metrics").text
            if EMPTY in metrics and all(sign in page for sign in signs):
                return
        time.sleep(0.2)
    raise SystemExit("the service did not get ready")


def _shoot(url: str, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    with browser() as chromium:
        for name, scheme, width in SHOTS:
            page = chromium.new_page(color_scheme=scheme, viewport={"width": width, "height": 400})
            if name == BUILD:
                page.goto(f"{url}search?q={JOB}+{NUMBER}")
                page.locator("#h-builds ~ .rows a").first.click()
                page.locator("ol.stages summary").last.click()
            else:
                page.goto(url)
            page.screenshot(path=directory / f"{name}.png", full_page=True)
            page.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
