"""One search box: jobs by name, a build by job and number, and text in archived logs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from poller.ledger import Ledger
from poller.status.archive import Hit, find

JOBS, LOGS, BUILDS = 20, 30, 10
_BUILD = re.compile(r"(?P<job>.+?)\s*(?:#|\s)\s*(?P<number>\d{1,9})")


@dataclass(frozen=True)
class Found:
    """What a text found."""

    jobs: Sequence[dict[str, Any]] = ()
    builds: list[dict[str, Any]] = field(default_factory=list)
    logs: Sequence[Hit] = ()

    @property
    def nothing(self) -> bool:
        """Nothing at all."""
        return not (self.jobs or self.builds or self.logs)


def search(ledger: Ledger, text: str) -> Found:
    """``team/app`` finds jobs, ``team/app 17`` and ``team/app #17`` builds of them, and either
    finds logs. Raises LedgerError."""
    if not text:
        return Found()
    history = ledger.history
    builds: list[dict[str, Any]] = []
    match = _BUILD.fullmatch(text)
    if match is not None:
        for job in history.jobs_named(match["job"], BUILDS):
            builds += history.of_job(job["job"], BUILDS, int(match["number"]))
    return Found(history.jobs_named(text, JOBS), builds, find(ledger, text, LOGS))
