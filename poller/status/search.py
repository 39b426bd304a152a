"""One search box: jobs by name, a build by job and number, text in archived logs; and the log of a
build."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from poller.core.errors import UsageError
from poller.ledger import Ledger
from poller.ledger.logs.search import LogHit, search_logs

JOBS, LOGS, BUILDS = 20, 30, 10

SHOWN = 64 * 1024
"""Characters of a log that a build's page shows; the whole is in the file behind the link."""

_BUILD = re.compile(r"(?P<job>.+?)\s*(?:#|\s)\s*(?P<number>\d{1,9})")


@dataclass(frozen=True)
class Found:
    """What a text found."""

    jobs: Sequence[dict[str, Any]] = ()
    builds: list[dict[str, Any]] = field(default_factory=list)
    logs: Sequence[LogHit] = ()

    @property
    def nothing(self) -> bool:
        """Nothing at all."""
        return not (self.jobs or self.builds or self.logs)


def search(ledger: Ledger, text: str) -> Found:
    """``team/app`` finds jobs, ``team/app 17`` and ``team/app #17`` builds of them, and either
    finds logs. Raises LedgerError."""
    if not text:
        return Found()
    history = ledger.page_queries
    builds: list[dict[str, Any]] = []
    match = _BUILD.fullmatch(text)
    if match is not None:
        for job in history.jobs_named(match["job"], BUILDS):
            builds += history.of_job(job["job"], BUILDS, int(match["number"]))
    try:
        logs, _more = search_logs(ledger, text, 0, None, None, LOGS)
    except UsageError:  # there is no word in the text
        logs = []
    return Found(history.jobs_named(text, JOBS), builds, logs)


def kept_log(ledger: Ledger, build: int) -> str | None:
    """The log of a build, None when none is kept. Raises LedgerError."""
    return ledger.logs.text(build).decode("utf-8", "replace") or None


def last_part(log: str) -> str:
    """The end of a log, where it says why it failed, in whole lines."""
    if len(log) <= SHOWN:
        return log
    end = log[-SHOWN:]
    return "…\n" + end[end.find("\n") + 1 :]
