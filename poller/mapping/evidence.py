"""A build with what was found out about it beyond its own answer: what is mapped. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poller.core.kept_log import KeptLog
from poller.jenkins.build import Build
from poller.jenkins.stage import StageTree
from poller.ledger.logs.failures import FailureFacts
from poller.mapping.extract import NOTHING_EXTRACTED, Extracted
from poller.mapping.payload import Artifact
from poller.mapping.redaction import Redactor


@dataclass(frozen=True)
class UpstreamBuild:
    """A build further up, and why it started: its causes, plain JSON objects. ``ended`` says why
    nothing is known of them, where the chain ends for that. ``started`` is when, epoch ms, and
    ``build_number`` what SEI knows it by; 0 where that is not known."""

    job: str
    number: int
    causes: tuple[Mapping[str, Any], ...]
    ended: str = ""
    started: int = 0
    build_number: int = 0


@dataclass(frozen=True)
class Manifest:
    """The artifacts of one archived manifest; ``path`` is relative to the build's archive."""

    path: str
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True)
class Missing:
    """What a build has and could not be had or used. ``reason`` is a word: record, stages, causes,
    manifest, log, tests; ``why`` one line."""

    reason: str
    why: str


@dataclass(frozen=True)
class EnrichedBuild:
    """A completed build with all that mapping needs. ``redactor`` hides the build's own secrets,
    too. ``tree`` is None where there are no stages; ``upstream`` goes upwards, level by level;
    ``extracted`` is what ``[[extract]]`` found in its log; ``log`` is what is kept of it, None
    where it was not asked for; ``failure`` is why it failed, None where nothing is known of that.

    ``incomplete`` is what its run goes without.
    """

    build: Build
    redactor: Redactor
    tree: StageTree | None = None
    upstream: tuple[UpstreamBuild, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    extracted: Extracted = NOTHING_EXTRACTED
    log: KeptLog | None = None
    failure: FailureFacts | None = None
    incomplete: tuple[Missing, ...] = ()
