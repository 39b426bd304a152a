"""`make screenshot`: the status page of the real service on simulated servers, as docs/*.png."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import httpx

from poller.demo.jenkins import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from poller.demo.town import GUID, HOUR_MS, JobsOfTown, build_town
from tests.browser import browser
from tests.conftest import Site, free_port

DOCS = Path(__file__).parent.parent / "docs"
READY_SECONDS = 60.0
REFUSAL = '{"error": "repo_url is not a repository of this account"}'
SETTLED = ("rejected 3 builds", "has never answered")
SHOTS: tuple[tuple[str, Literal["light", "dark"], int], ...] = (
    ("status-page", "light", 1240),
    ("status-page-dark", "dark", 1240),
    ("status-page-phone", "light", 390),
)


def main(directory: Path = DOCS) -> None:
    """Write status-page.png, and the same dark and on a phone."""
    jenkins, sei = Jenkins(), Sei(guids={GUID})
    town = build_town(jenkins, time.time_ns() // 1_000_000 - HOUR_MS // 3)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Server(jenkins.app) as jenkins_server,
        Server(sei.app) as sei_server,
    ):
        site = Site(Path(temporary), jenkins, sei, jenkins_server, sei_server)
        port = free_port()
        site.configure(
            site.controller("platform", every="2s", since="7d"),
            site.controller("mobile", url="http://127.0.0.1:1/", every="2s"),
            more=f'[status]\nlisten = "{port}"',
        )
        with site.start("run") as service:
            try:
                _live(site, town, f"http://127.0.0.1:{port}/")
                _shoot(f"http://127.0.0.1:{port}/", directory)
            finally:
                service.terminate()
                service.communicate(timeout=30)


def _live(site: Site, town: JobsOfTown, url: str) -> None:
    """History arrives; builds finish, and SEI refuses a few of them."""
    _wait(url, lambda page: "All" in page and "delivered" in page)
    site.sei.fail("*/custom-cicd", status=422, body=REFUSAL, times=3)
    for _ in range(8):
        town.start()
        town.finish()
    _wait(url, lambda page: all(sign in page for sign in SETTLED))


def _wait(url: str, done: Callable[[str], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if done(httpx.get(url).text):
                return
        time.sleep(0.2)
    raise SystemExit("the service did not get ready")


def _shoot(url: str, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    with browser() as chromium:
        for name, scheme, width in SHOTS:
            page = chromium.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
            page.goto(url)
            page.screenshot(path=directory / f"{name}.png", full_page=True)
            page.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
