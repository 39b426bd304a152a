"""`sei-poller logs`, its options parsed: what goes to stdout, and a note for stderr or ""."""

from __future__ import annotations

from pathlib import Path

from poller.errors import UsageError
from poller.ledger import Ledger
from poller.read_logs import archived, archived_json, hit_lines, hits_json, last_lines
from poller.read_logs import search as search_in
from poller.settings import Settings
from poller.when import parse_when


def show(
    settings: Settings,
    job: str,
    number: int,
    *,
    controller: str | None,
    tail: int | None,
    as_json: bool,
) -> tuple[object, str]:
    """The archived log of a build: its text as bytes, or an object. Raises NoSuchBuild, UsageError,
    LedgerError."""
    with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
        row, text = archived(ledger, job, number, controller)
    text = last_lines(text, tail)
    if as_json:
        return archived_json(row, text), ""
    return text, "" if row.absent is None else f"the log could not be read: {row.absent}"


def search(
    settings: Settings,
    text: str,
    now: int,
    *,
    since: str,
    job: str | None,
    controller: str | None,
    limit: int,
    as_json: bool,
) -> tuple[object, str]:
    """The logs with ``text``: lines, or an object. Raises UsageError, LedgerError."""
    try:
        start = parse_when(since, now)
    except ValueError as error:
        raise UsageError(f"--since {since}: {error}") from None
    with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
        hits, more = search_in(ledger, text, start, job, controller, limit)
    if as_json:
        return hits_json(hits, more), ""
    if not hits:
        return [], "nothing found"
    return hit_lines(hits), f"there may be more than {limit}: see --limit" if more else ""
