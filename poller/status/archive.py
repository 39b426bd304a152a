"""The console logs that the page searches and shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

SHOWN = 64 * 1024
"""Characters of a log that a build's page shows; the whole is in the file behind the link."""


@dataclass(frozen=True)
class Hit:
    """A log that was found: its build's id and name, and the text around what was found."""

    build: int
    controller: str
    full_name: str
    number: int
    excerpt: str


class Archive(Protocol):
    """Archived console logs."""

    def search(self, text: str, limit: int) -> Sequence[Hit]:
        """The newest builds whose log holds the text."""

    def read(self, build: int) -> str | None:
        """The log of a build, None when none is kept."""


class NoArchive:
    """Nothing is archived."""

    def search(self, text: str, limit: int) -> Sequence[Hit]:  # noqa: ARG002
        """Nothing."""
        return ()

    def read(self, build: int) -> str | None:  # noqa: ARG002
        """Nothing."""
        return None


def last_part(log: str) -> str:
    """The end of a log, where it says why it failed, in whole lines."""
    if len(log) <= SHOWN:
        return log
    end = log[-SHOWN:]
    return "…\n" + end[end.find("\n") + 1 :]
