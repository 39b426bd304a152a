"""Have a running service ask at once for all that waits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from poller.core.errors import LedgerError, LedgerUnwritable
from poller.core.now_request import make_request, request_file
from poller.ledger.locks import is_there, only_one

TAKEN_SECONDS = 10.0
"""How long a service may take to see a request: it looks each second."""

ONCE = "`sei-poller once --now` asks at once"


@dataclass(frozen=True)
class NowResult:
    """Whether a service took the request, and what is to be said of it. `now --json` prints it as
    it is: the names are a promise."""

    taken: bool
    said: str


def ask_now(ledger: Path, controller: str | None) -> NowResult:
    """Ask for one controller, or for all controllers and sinks, and wait until it is taken. Raises
    LedgerError where the ledger's directory can't be used."""
    if not runs(ledger):
        return NowResult(False, f"no service runs on {ledger}: {ONCE}")
    path = request_file(ledger)
    try:
        make_request(ledger, controller)
        until = time.monotonic() + TAKEN_SECONDS
        while path.exists():
            if time.monotonic() > until:
                path.unlink(missing_ok=True)
                what = f"what runs on {ledger} has not taken it in {TAKEN_SECONDS:.0f} s"
                return NowResult(False, f"{what}: is it `once`, or an older version?")
            time.sleep(0.1)
    except OSError as error:
        raise LedgerUnwritable(f"{path}: {error.strerror}", "who owns the directory?") from error
    who = f"controller {controller}" if controller else "all controllers and sinks"
    return NowResult(True, f"the service asks {who} now; `status` shows what comes of it")


def runs(ledger: Path) -> bool:
    """Whether a service, or `once`, is at work on the ledger. Raises LedgerUnwritable."""
    if not is_there(ledger):
        return False
    try:
        with only_one(ledger):
            return False
    except LedgerUnwritable:
        raise
    except LedgerError:
        return True
