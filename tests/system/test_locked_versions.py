"""What is installed: each version locked with its hashes, and on the bill of materials."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CURE = "`make lock` writes the locks and sbom.cdx.json anew"


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package of a lock."""
    found: dict[str, tuple[str, int]] = {}
    for entry in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
        if entry and not entry.startswith("#"):
            package, version = re.match(r"([a-z0-9-]+)==(\S+)", entry).groups()  # type: ignore[union-attr]
            found[package] = (version, len(re.findall(r"--hash=sha256:[0-9a-f]{64}", entry)))
    return found


def normal(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_version_is_locked_with_hashes() -> None:
    """So that what is installed is what was tried; for developing, the same and more."""
    installed, developing = locked("requirements.lock"), locked("requirements-dev.lock")
    assert all(hashes for _, hashes in developing.values())
    assert installed.items() <= developing.items(), CURE
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {normal(re.split(r"[<>=!\[ ;]", line)[0]) for line in needed}
    assert names <= installed.keys(), CURE
    assert not {"pytest", "mypy", "playwright"} & installed.keys()


def test_the_locks_are_what_is_installed_by() -> None:
    """With hashes or not at all."""
    for file in ("Makefile", "systemd/install"):
        text = (ROOT / file).read_text()
        assert re.search(r"--require-hashes\s+--requirement requirements(-dev)?\.lock", text), file


def test_the_bill_of_materials_is_the_lock() -> None:
    """CycloneDX: every package with its version, and with its licence where it says one."""
    bill = json.loads((ROOT / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "jenkins-sei-poller"
    listed = {normal(one["name"]): one for one in bill["components"]}
    versions = {name: version for name, (version, _) in locked("requirements.lock").items()}
    assert versions == {name: one["version"] for name, one in listed.items()}, CURE
    assert all(one["purl"].startswith("pkg:pypi/") for one in listed.values())
    assert {name for name, one in listed.items() if "licenses" not in one} <= {"sqlite-fts4"}
    known = {one["ref"] for one in bill["dependencies"]}
    assert {one["bom-ref"] for one in listed.values()} <= known


def test_each_threat_has_a_test_that_is_there() -> None:
    """By its name in docs/reliability.md."""
    whole = (ROOT / "docs" / "reliability.md").read_text()
    text = whole.partition("## Threats")[2].partition("## Politeness to Jenkins")[0]
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 30
    for file, name in named:
        assert f"def {name or 'test_'}" in (ROOT / file).read_text(), f"{file}::{name}"
