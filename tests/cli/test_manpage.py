"""The man page, `--version` and completion: made from the commands themselves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.site import Site, clean_environ
from tools.manpage import page

PAGE = Path(__file__).parents[2] / "man" / "sei-poller.1"


def test_the_page_in_the_repository_is_true() -> None:
    """`make man` after a change of a command."""
    assert page() == PAGE.read_text()


def test_it_has_every_command_and_its_options() -> None:
    """Also those of `config`."""
    for words in (
        ".SS run",
        ".SS config show",
        ".SS register",
        "\\-\\-satellite FILE",
        ".B SIGHUP",
    ):
        assert words in PAGE.read_text()


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff")
def test_it_is_good_roff() -> None:
    """Without a warning."""
    result = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8", "-z", str(PAGE)], capture_output=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, b"")


def test_version_says_what_a_bug_report_needs(site: Site) -> None:
    """The program, Python, SQLite, OpenSSL and the libraries."""
    shown = site.run("--version").stdout
    assert shown.startswith("sei-poller ")
    for name in (
        "Python 3.", "SQLite 3.", "OpenSSL ", "APScheduler 3.", "httpx 0.", "python-jenkins 1.",
        "sqlite-utils 4.",
    ):  # fmt: skip
        assert name in shown


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(command: str) -> None:
    """They answer at once: no HTTP client, no models, no scheduler."""
    heavy = {"httpx", "pydantic", "apscheduler", "sqlite_utils", "rich", "structlog", "yaml"}
    code = (
        "import sys\nfrom poller.__main__ import main\nsys.argv[1:] = [sys.argv[1]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('loaded:', sorted({heavy!r} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, command], capture_output=True, text=True, check=True
    ).stdout
    assert out.endswith("loaded: []\n")


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "sei-poller reg", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "sei-poller reg"}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "sei-poller reg",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
def test_completion(shell: str, variables: dict[str, str]) -> None:
    """Of a command, as the shells' scripts ask for it."""
    asked = {"_SEI_POLLER_COMPLETE": f"complete_{shell}", **variables}
    result = subprocess.run(
        [sys.executable, "-m", "poller"],
        env={**clean_environ(), **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "register" in result.stdout
    assert "status" not in result.stdout
