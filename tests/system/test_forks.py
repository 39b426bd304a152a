"""Each command as a process of its own, with nothing imported before, as everybody starts it; most
other tests fork one, which says and does the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.site import Site, clean_environ


@pytest.mark.parametrize(
    "command",
    ["once", "check", "preview app 1", "logs app 1", "backfill --since all", "reconcile",
     "rejected", "retry --all", "config show", "executions list", "status --json", "logs",
     "nonsense", "init --url x", "register --satellite nowhere"],
)  # fmt: skip
def test_a_fork_is_like_a_start(site: Site, command: str) -> None:
    """The same code, and the same words but for figures."""
    site.jenkins.job("app").build()
    site.run("once")
    started = subprocess.run(
        [sys.executable, "-m", "poller", "--config", str(site.config), *command.split()],
        env={**clean_environ(), **site.environ},
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    forked = site.run(*command.split())
    assert started.returncode == forked.returncode != os.EX_SOFTWARE
    assert words(started.stdout) == words(forked.stdout)
    assert words(started.stderr) == words(forked.stderr)


def words(text: str) -> str:
    """Without figures, which are times, and the points in them."""
    return "".join(filter(str.isalpha, text))
