"""The service with its status page, and a real browser to look at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser

from tests.support.browser import browser, executable
from tests.support.forks import Command
from tests.support.site import Site, free_port

READY_SECONDS = 60.0


@dataclass
class Service:
    """The running service of a site; ``url`` ends with a slash."""

    site: Site
    process: Command
    url: str
    http: httpx.Client

    def get(self, path: str, **keys: str) -> httpx.Response:
        """One answer of the page."""
        return self.http.get(self.url + path.lstrip("/"), headers=keys)

    def wait(self, done: Callable[[], bool]) -> None:
        """Until it holds; the page may not be there yet."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                if done():
                    return
            assert time.monotonic() < deadline, self.get("/metrics").text
            time.sleep(0.05)

    def wait_delivered(self, count: int) -> None:
        """Until SEI has so many runs and the ledger knows it."""
        line = f'{{controller="main",outcome="delivered",sink="sei"}} {count}.0'
        self.wait(lambda: line in self.get("/metrics").text)

    def wait_polled(self) -> None:
        """Until the first poll is over."""
        self.wait(lambda: self.get("/healthz").status_code == 200)


@contextlib.contextmanager
def serve(site: Site, *controllers: str, more: str = "") -> Iterator[Service]:
    """The service with a page, ended by SIGTERM, without a traceback and with 0."""
    port = free_port()
    given = controllers or (site.controller(every="1s"),)
    site.configure(*given, more=f'[status]\nlisten = "{port}"\n{more}')
    said: list[str] = []
    with site.start("run") as process, httpx.Client(verify=False) as http:  # noqa: S501
        assert process.stderr is not None
        # A pipe that nobody reads is full one day, and the service would wait for it.
        reader = threading.Thread(target=said.extend, args=(process.stderr,))
        reader.start()
        try:
            yield Service(site, process, f"http://127.0.0.1:{port}/", http)
        finally:
            process.terminate()
            process.wait(60)
            reader.join()
    assert "Traceback" not in "".join(said)
    assert process.returncode == 0, said[-5:]


def needed(what: str | None, package: str) -> None:
    """Skip where a tool can't be had; CI installs it, so there it is never skipped."""
    if what is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI installs {package}: it is not there")
        pytest.skip(f"not installed: the Debian package {package}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module. While it runs, Playwright has the thread's event loop: tests with a
    loop of their own are in other modules."""
    needed(executable(), "chromium")
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own checker."""
    found = shutil.which("promtool")
    needed(found, "prometheus")
    return found or ""
