"""What others write does nothing to who looks at it: no escape sequence, no line of its own, no
turned text; on terminals, in the log, and in JSON without changing a value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.core.errors import BadAnswer
from poller.core.escape import escape, escape_line
from tests.support.site import Site
from tests.support.terminal import Terminal

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\r\nok: all is well\x9b1m\u202egnp\u2066\x7f"


@given(st.text())
def test_nothing_active_is_left(text: str) -> None:
    """And of a JSON document, the value is the same."""
    line = escape_line(text)
    assert not [c for c in line if c in "\n\r\x1b\x07\x7f\u202e\u2028" or "\x80" <= c <= "\x9f"]
    document = json.dumps({"name": text, text: 1}, ensure_ascii=False)
    assert json.loads(escape(document)) == {"name": text, text: 1}


def test_what_is_harmless_stays() -> None:
    """Every script, and what keeps a picture together."""
    text = "naïve 日本 שלום 👩\u200d💻 \t|"
    assert escape(text) == escape_line(text) == text


def test_an_error_is_one_line() -> None:
    """Whatever a job is called, or a server answers."""
    error = BadAnswer("controller main", HOSTILE, HOSTILE, HOSTILE)
    for text in (str(error), error.reason, error.hint):
        assert len(text.splitlines()) == 1
        assert "\x1b" not in text


@pytest.fixture
def hostile(site: Site) -> Site:
    """A job of that name, with that in its log and its parameters."""
    build = site.jenkins.job(HOSTILE).start(parameters={"X": HOSTILE})
    build.log += f"{HOSTILE}\nיש\u202eevil\n"
    build.finish("FAILURE")
    site.configure(site.controller(logs="all"))
    return site


def test_a_hostile_job_on_a_terminal_and_in_the_log(hostile: Site) -> None:
    """By every command that names it; the bytes of an archived log are kept for files alone."""
    texts = [hostile.run("once").stdout]
    hostile.jenkins.jobs[HOSTILE].build()
    hostile.jenkins.fail("*/wfapi/*", status=500, body=HOSTILE)
    for command in (["once"], ["preview", HOSTILE, "1"], ["logs", "--search", "evil"], ["status"],
                    ["logs", HOSTILE, "9"], ["reconcile"]):  # fmt: skip
        result = hostile.run(*command)
        texts.append(result.stdout + result.stderr)
    with hostile.start("run") as service:
        assert service.stderr is not None
        texts.append(service.stderr.readline())
        service.kill()
    assert "ok: all is well" in "".join(texts)
    for text in texts:
        assert not [line for line in text.splitlines() if line.startswith("ok: all")]
        assert not set(text) & set("\x1b\x07\x7f\x9b\u202e\u2066")
    with Terminal(hostile, "logs", HOSTILE, "1") as terminal:
        pass
    assert terminal.code == 0
    assert "\u202e" not in terminal.shown
    assert r"יש\u202eevil" in terminal.shown
    assert hostile.read("logs", HOSTILE, "1")["job"] == HOSTILE


def test_every_command_prints_by_one_door() -> None:
    """`say`: nothing else writes what others wrote."""
    for file in Path("poller").glob("c*.py"):
        text = file.read_text()
        doors = 2 if file.name == "command_line.py" else 0
        assert text.count("typer.echo(") == doors, file
        assert "print(" not in text, file
