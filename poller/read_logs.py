"""`sei-poller logs`: archived console logs, read and searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poller.errors import NoSuchBuild, UsageError
from poller.globs import matches
from poller.ledger import Ledger
from poller.ledger.logs import LogRow
from poller.logs import search as logs_search
from poller.logs.search import Line
from poller.when import iso


@dataclass(frozen=True)
class Hit:
    """A log in which all that was searched for is, and the first line of it."""

    log: LogRow
    line: Line


def archived(
    ledger: Ledger, full_name: str, number: int, controller: str | None
) -> tuple[LogRow, bytes]:
    """What is kept of a build's log. Raises NoSuchBuild; UsageError where several controllers have
    such a build."""
    rows = [
        row
        for row in ledger.logs.of_build(full_name, number)
        if controller in (None, row.controller)
    ]
    if not rows:
        raise NoSuchBuild(
            f"no console log of {full_name} #{number} is kept",
            'is it a build that `logs = "failed"` or "all" keeps? --follow reads it from Jenkins',
        )
    names = sorted({row.controller for row in rows})
    if len(names) > 1:
        raise UsageError(
            f"{full_name} #{number} is on {', '.join(names)}", "say which with --controller NAME"
        )
    return rows[0], ledger.logs.text(rows[0].build)


def search(
    ledger: Ledger, text: str, since: int, job: str | None, controller: str | None, limit: int
) -> tuple[list[Hit], bool]:
    """The newest logs in which all words and phrases of ``text`` are; and whether there may be
    more than ``limit``. Raises UsageError where there is no word in ``text``, or too many."""
    if len(text) > logs_search.LONGEST:
        raise UsageError(f"more than {logs_search.LONGEST} characters to search for")
    query = logs_search.parse(text)
    if query is None:
        raise UsageError(f"no word to search for in {text!r}", "letters or digits are needed")
    hits: list[Hit] = []
    for row in ledger.logs.with_words(query.words, since):
        if controller not in (None, row.controller):
            continue
        if job is not None and not matches(row.full_name, job):
            continue
        if len(hits) == limit:
            return hits, True
        line = logs_search.first_line(query, ledger.logs.text(row.build))
        if line is not None:
            hits.append(Hit(row, line))
    return hits, False


def last_lines(text: bytes, count: int | None) -> bytes:
    """The last lines; all without ``count``."""
    if count is None:
        return text
    at = len(text)
    for _ in range(count + 1):
        at = text.rfind(b"\n", 0, at)
        if at < 0:
            return text
    return text[at + 1 :]


def hit_lines(hits: list[Hit]) -> list[str]:
    """Two lines a hit."""
    lines = []
    for hit in hits:
        log = hit.log
        lines.append(
            f"{log.controller}: {log.full_name} #{log.number}  {iso(log.timestamp)}  {log.result}"
        )
        lines.append(f"  {hit.line.number}: {hit.line.text.strip()}")
    return lines


def hits_json(hits: list[Hit], more: bool) -> dict[str, Any]:
    """The object that `logs --search --json` prints; its keys are a promise."""
    return {
        "hits": [
            {**_log_json(hit.log), "line_number": hit.line.number, "line": hit.line.text}
            for hit in hits
        ],
        "more": more,
    }


def archived_json(log: LogRow, text: bytes) -> dict[str, Any]:
    """The object that `logs JOB NUMBER --json` prints; its keys are a promise."""
    return {
        **_log_json(log),
        "read_at": iso(log.at),
        "size": log.size,
        "left_out": log.left_out,
        "absent": log.absent,
        "text": text.decode(),
    }


def _log_json(log: LogRow) -> dict[str, Any]:
    return {
        "controller": log.controller,
        "job": log.full_name,
        "number": log.number,
        "started_at": iso(log.timestamp),
        "result": log.result,
    }
