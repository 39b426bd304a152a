"""Builds that were sent, for sending them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poller.core.build_key import BuildKey


@dataclass(frozen=True)
class SentBuild:
    """A build that was sent: ``number_offset`` is what its number at SEI is more than its own;
    ``id_generation`` is in the ``execution_id`` of what an earlier version sent, else 0;
    ``kept`` says that its payload still is, ``refused_by`` are the sinks that rejected it."""

    id: int
    full_name: str
    id_generation: int
    number_offset: int
    key: BuildKey
    kept: bool
    refused_by: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Delivered:
    """Builds of a controller, by its id, that one of ``sinks`` has taken and that wait for none of
    them; started from ``since`` until ``until`` (epoch ms; None: no such end). ``incomplete``: only
    those that were sent without something."""

    controller: int
    sinks: Sequence[str]
    since: int | None
    until: int | None
    incomplete: bool


@dataclass(frozen=True)
class DeliveredBuild:
    """A build that a sink has taken."""

    id: int
    full_name: str
