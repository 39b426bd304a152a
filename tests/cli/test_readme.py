"""What README and docs show is what works: their commands, and their config of several controllers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from poller.demo.jenkins.stages import Stage, Step
from tests.support.site import Site

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [README, *((ROOT / "docs" / name).read_text() for name in ("logs.md", "operation.md"))]
COMMANDS = [
    line for page in PAGES for line in re.findall(r"^(?: {4})?sei-poller (.+)$", page, re.M)
]
CODE = {"message": "script returned exit code 2", "type": "hudson.AbortException"}
ELSEWHERE = ("init", "register")
"""They ask, or write: tests/setup, tests/actions/test_register.py."""


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_documents(site: Site, line: str) -> None:
    """On a site that has the job of the examples, and that its service has polled."""
    arguments = shlex.split(line, comments=True)
    if arguments[0] in ELSEWHERE:
        return
    site.configure(site.controller(logs="failed"))
    job = site.jenkins.job("team/app")
    job.next_build_number = 17
    step = Step(status="FAILURE", error=CODE, log="make: *** [all] Error 2\n")
    build = job.start(stages=[Stage("Build", [step], "FAILURE", CODE)])
    build.log = "java.lang.OutOfMemoryError: Java heap space\n"
    build.finish("FAILURE", build.usual_duration())
    assert site.run("once").returncode == 0
    result = site.run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")


def test_there_are_commands() -> None:
    """The test above tries some."""
    assert {shlex.split(line)[0] for line in COMMANDS} >= {"check", "preview", "backfill", "logs"}


def test_the_config_of_several_controllers(site: Site) -> None:
    """It is a whole config."""
    (toml,) = re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    site.config.write_text(toml)
    shown = site.run("config", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [name in shown.stdout for name in ("main", "mobile", "**/sandbox/**")] == [True] * 3
