"""The image: its healthcheck against the real service, and what it is made of."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.site import Site, free_port
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text()


def health(port: int) -> int:
    """What the healthcheck's own command ends with, at another port."""
    found = re.search(r"^HEALTHCHECK .*?CMD (\[.*?\])$", CONTAINERFILE, re.MULTILINE | re.DOTALL)
    assert found is not None
    _, *arguments = json.loads(found[1].replace("\\\n", ""))
    assert "9155" in arguments[-1]
    command = [sys.executable, *arguments[:-1], arguments[-1].replace("9155", str(port))]
    proxied = {**os.environ, "http_proxy": "http://127.0.0.1:1"}
    return subprocess.run(command, env=proxied, stderr=subprocess.DEVNULL).returncode


def test_the_healthcheck(site: Site) -> None:
    """0 while the service lives, whatever proxy the environment has; not 0 when it is gone."""
    port = free_port()
    site.configure(more=f'[status]\nlisten = "{port}"')
    assert health(port) != 0
    with site.start("run") as service:
        wait_for(lambda: health(port) == 0)
        service.terminate()
        service.communicate(timeout=60)
    assert health(port) != 0


def test_the_base_is_named_by_whoever_builds() -> None:
    """Both stages have it, and there is no default that ages."""
    assert re.findall(r"^(?:ARG|FROM) .*$", CONTAINERFILE, re.MULTILINE) == [
        "ARG BASE",
        "FROM ${BASE} AS build",
        "FROM ${BASE}",
    ]
    assert "--require-hashes" in CONTAINERFILE


def test_nothing_that_the_wheel_needs_is_left_out() -> None:
    """Of the build's context."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel.get("shared-data", {}), *wheel.get("force-include", {})}
    needed |= {"pyproject.toml", "requirements.lock", "README.md", "LICENSE"}
    ignored = set((ROOT / ".containerignore").read_text().splitlines())
    assert not {path.partition("/")[0] for path in needed} & ignored
