"""Log lines: for people on a terminal, for the journal with its priority, else JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.site import Site
from tests.support.terminal import Terminal
from tests.support.waiting import wait_for

SAY = """
import logging
import structlog
from poller.core.log_output import configure
configure()
log = structlog.get_logger()
log.info("polled", jobs=3)
log.warning("two\\nlines")
log.error("failed")
try: 1 / 0
except ZeroDivisionError: logging.getLogger("apscheduler").exception("in a library")
"""


def said(path: Path, *, journal: bool) -> list[str]:
    """The lines of a program whose stderr is a file, which may be called the journal."""
    with path.open("w") as stderr:
        file = os.fstat(stderr.fileno())
        stream = f"{file.st_dev}:{file.st_ino + (not journal)}"
        subprocess.run(
            [sys.executable, "-c", SAY],
            env={**os.environ, "JOURNAL_STREAM": stream},
            stderr=stderr,
            check=True,
        )
    return path.read_text().splitlines()


def test_the_journal_gets_priorities(tmp_path: Path) -> None:
    """Before the JSON; one line an event, a library's traceback too."""
    lines = said(tmp_path / "log", journal=True)
    assert [line[:3] for line in lines] == ["<6>", "<4>", "<3>", "<3>"]
    events = [json.loads(line[3:]) for line in lines]
    assert [event["event"] for event in events] == [
        "polled",
        "two\nlines",
        "failed",
        "in a library",
    ]
    assert "ZeroDivisionError" in events[-1]["exception"]
    assert events[-1]["logger"] == "apscheduler"


def test_elsewhere_it_is_only_json(tmp_path: Path) -> None:
    """A file, or a pipe that is not the journal."""
    lines = said(tmp_path / "log", journal=False)
    assert json.loads(lines[0])["jobs"] == 3
    assert len(lines) == 4


def test_a_terminal_gets_key_value(site: Site) -> None:
    """For people."""
    site.jenkins.job("app").build()
    with Terminal(site, "run") as terminal:
        terminal.expect("level=info event=poll_finished controller=main jobs=1")
        terminal.interrupt()
    assert terminal.code == 0


def test_an_idle_cycle_is_one_line(site: Site) -> None:
    """However many jobs there are, and whatever was known to be wrong before."""
    site.configure(site.controller(every="1s"))
    for number in range(50):
        site.jenkins.job(f"job-{number}").build()
    site.jenkins.job("team/hidden").build()
    site.jenkins.fail("/job/team/*", status=403)
    with site.start("run") as service:
        wait_for(lambda: len(site.sei.runs) >= 50)
        polls = _polls(site)
        wait_for(lambda: _polls(site) >= polls + 3)
        service.terminate()
        _, err = service.communicate(timeout=60)
    events = [json.loads(line) for line in err.splitlines()]
    polled = [event for event in events if event["event"] == "poll_finished"]
    assert len(polled) >= 4
    others = [event for event in events if event["event"] not in ("poll_finished", "delivered")]
    assert len(others) < 10, others
    assert not re.search(r"job-\d", err)


def _polls(site: Site) -> int:
    return sum("/computer/" in request.path for request in site.jenkins.requests)
