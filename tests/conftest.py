"""The fixtures that all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.folder_lines import FolderLines
from tests.support.site import Site, simulated
from tests.support.systemd_socket import SystemdSocket


@pytest.hookimpl(trylast=True)  # the terminal is to be there
def pytest_configure(config: pytest.Config) -> None:
    """One line a folder, unless more or less is asked for, or this process does not report."""
    if config.option.verbose == 0 and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FolderLines(config))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has all that they start ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Any]:
    """A site with the Harness API beside it: a tests.support.simulated_iacm_site.Place."""
    from tests.support.simulated_iacm_site import placed

    with placed(tmp_path) as place:
        yield place


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of the test's own."""
    with simulated(tmp_path) as site:
        yield site


@pytest.fixture
def systemd(site: Site) -> Iterator[SystemdSocket]:
    """Listening, and named to the program."""
    listening = SystemdSocket(str(site.directory / "notify"))
    site.environ["NOTIFY_SOCKET"] = str(site.directory / "notify")
    yield listening
    listening.close()
