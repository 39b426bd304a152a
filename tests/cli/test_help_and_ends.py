"""`--help`, and how a command ends that somebody stops, or that nobody reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poller.__main__ import app
from poller.cli.app import GROUPS, first_sentence
from tests.support.site import Site, clean_environ
from tests.support.waiting import wait_for


def test_help_has_each_command_in_the_order_of_use(site: Site) -> None:
    """In groups, with its whole first sentence."""
    text = site.run("--help").stdout
    flat = " ".join(text.split())
    commands = {
        one.name or one.callback.__name__: str(one.callback.__doc__)
        for one in app.registered_commands
        if one.callback is not None and not one.hidden
    }
    assert len(commands) > 15
    for name, told in commands.items():
        assert f" {name} {first_sentence(told)} " in flat
    assert "..." not in text.partition("Set up:")[2]
    order = ["init", "check", "preview", "once", "run", "backfill", "rejected", "demo"]
    places = [text.index(f"\n  {name} ") for name in order]
    assert places == sorted(places)
    assert all(f"\n{title}:\n" in text for title in GROUPS)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One"),
        ("One\n    more: e.g.x, 1.5 s.", "One more: e.g.x, 1.5 s"),
        ("No stop", "No stop"),
    ],
)
def test_first_sentences(text: str, first: str) -> None:
    """To the first full stop before a space."""
    assert first_sentence(text) == first


@pytest.mark.parametrize(
    "command", [["once"], ["check"], ["reconcile"], ["preview", "app", "1"]], ids=" ".join
)
def test_ctrl_c_ends_with_130(site: Site, command: list[str]) -> None:
    """In the middle of a question to Jenkins, without a traceback."""
    site.jenkins.job("app").build()
    site.jenkins.fail(status=None, delay=60)
    site.configure(site.controller(timeout="1m"))
    with site.start(*command) as process:
        wait_for(lambda: bool(site.jenkins.requests))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in out + err


def test_a_second_ctrl_c_does_not_wait(site: Site) -> None:
    """A backfill waits at the first one for what is under way."""
    site.jenkins.job("app").build()
    site.jenkins.fail(status=None, delay=60)
    site.configure(site.controller(timeout="1m"))
    with site.start("backfill", "--since", "1d") as process:
        wait_for(lambda: bool(site.jenkins.requests))
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err


def test_ctrl_c_while_it_is_loaded(tmp_path: Path) -> None:
    """The process ends as by any signal."""
    (tmp_path / "typer.py").write_text("import os\nos.kill(os.getpid(), 2)\n")
    done = subprocess.run(
        [sys.executable, "-m", "poller", "--help"], env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("command", ["config schema", "--help", "status", "run"])
def test_output_that_can_not_be_written(site: Site, command: str) -> None:
    """A full disk is no bug. Of `run`, it is the one line of the end, for want of a config."""
    site.run("once")
    if command == "run":
        site.config.unlink()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "poller", "--config", str(site.config), *command.split()],
            env={**clean_environ(), **site.environ}, text=True, timeout=60, check=False,
            stdout=full, stderr=full if command == "run" else subprocess.PIPE,
        )  # fmt: skip
    said = "sei-poller: can't write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (74, None if command == "run" else said)


@pytest.mark.parametrize("command", ["config schema", "--help", "status", "check"])
def test_a_reader_that_goes_away(site: Site, command: str) -> None:
    """As `| head` does: the command ends without a word."""
    site.jenkins.job("app").build()
    site.run("once")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "poller", "--config", str(site.config), *command.split()],
        env={**clean_environ(), **site.environ}, stdout=writing, stderr=subprocess.PIPE,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1
