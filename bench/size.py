"""How large a run of the bench is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Say: TypeAlias = Callable[[str], None]
"""Told how far the bench is."""


@dataclass(frozen=True)
class Size:
    """``share`` of the backfill's jobs are given to the slow contenders. ``polled`` jobs are those
    of the idle poll, and of `run`, whose ledger holds ``known`` builds; a window of its ``runs`` is
    ``window`` seconds long."""

    builds: int
    jobs: int
    runs: int
    share: float
    polled: int
    known: int
    reconciled: int
    window: float
