"""What was found out about a build beyond its own answer: what mapping is given. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poller.mapping.payload import Artifact


@dataclass(frozen=True)
class UpstreamBuild:
    """A build further up, and why it started: its causes, plain JSON objects. ``ended`` says why
    nothing is known of them, where the chain ends for that."""

    job: str
    number: int
    causes: tuple[Mapping[str, Any], ...]
    ended: str = ""


@dataclass(frozen=True)
class Manifest:
    """The artifacts of one archived manifest; ``path`` is relative to the build's archive."""

    path: str
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True)
class Evidence:
    """``upstream`` goes upwards, level by level; ``extracted_…`` is what ``[[extract]]`` found, by
    the rules at the places ``extracted_by`` of the config, from 1, where that is known."""

    upstream: tuple[UpstreamBuild, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    extracted_artifacts: tuple[Artifact, ...] = ()
    extracted_commits: tuple[str, ...] = ()
    extracted_by: tuple[int, ...] = ()

    @property
    def extraction(self) -> str:
        """``[[extract]] 1, 3``: what the extracted is from."""
        return " ".join(["[[extract]]", ", ".join(map(str, self.extracted_by))]).rstrip()


NOTHING = Evidence()
