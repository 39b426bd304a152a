"""What the documents name is there: files, tests, functions, commands, headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
)
FOLDERS = "poller|tests|tools|docs|config|bench|systemd|man|deploy"


def text(document: str) -> str:
    return (ROOT / document).read_text()


def anchors(document: str) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_tests_are_there(document: str) -> None:
    """Each `folder/file` but the config that is no longer there, and each `tests/file.py::test_name`."""
    named = re.findall(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./@-]*\w)/?(?:::(\w+))?", text(document))
    for path, test in named:
        assert path == "config/poller.toml" or (ROOT / path).exists(), f"{document}: no {path}"
        assert f"def {test}" in text(path) if test else True, f"{document}: no {path}::{test}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """To a file, and to a heading of it."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text(document)):
        path = (ROOT / document).parent / target if target else ROOT / document
        assert path.exists(), f"{document}: no {target}"
        if anchor:
            assert anchor in anchors(str(path.resolve().relative_to(ROOT))), f"no #{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_there(document: str) -> None:
    """Each `sei-poller COMMAND`, and each `make TARGET`."""
    commands = {
        word.split()[0] for word in re.findall(r"^\.SS (.+)$", text("man/sei-poller.1"), re.M)
    }
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    code = "\n".join(re.findall(r"`[^`]+`|^    .+$", text(document), re.MULTILINE))
    code += "\n".join(re.findall(r"^```.*?^```", text(document), re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"(?<![\w/-])sei-poller ([a-z]+)", code)) <= commands
    assert set(re.findall(r"\bmake ([a-z-]+)", code)) <= targets


def test_the_architecture_names_what_is_there() -> None:
    """In the table of decisions, each function stands in one of its files."""
    rows = re.findall(
        r"^\|[^|]+\|([^|]*poller/[^|]+)\|([^|]+)\|$", text("docs/architecture.md"), re.M
    )
    assert len(rows) > 20
    for files, names in rows:
        code = "\n".join(text(path) for path in re.findall(r"`([^`]+)`", files))
        for name in re.findall(r"`(?:\w+\.)?(\w+)`", names):
            assert re.search(rf"\b(def|class) {name}\b|^{name}\b", code, re.M), (
                f"no {name} in {files}"
            )
