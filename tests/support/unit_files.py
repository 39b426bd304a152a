"""The systemd units, read."""

from __future__ import annotations

import re
from pathlib import Path


def text(unit: str) -> str:
    """A unit's text."""
    return (UNITS / unit).read_text()


UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))


def values(unit: str, key: str) -> list[str]:
    """What a unit sets a key to."""
    return re.findall(rf"^{key}=(.*)$", text(unit), re.MULTILINE)
