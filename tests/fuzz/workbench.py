"""The program with a real ledger, to which hostile answers are given, and what must hold after."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sqlite3
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from poller.config.load import load
from poller.context import AppContext, open_context
from poller.core.escape import escape_line
from poller.core.log_output import configure
from poller.ledger import Ledger
from poller.ledger.logs.failures import FailedTest
from poller.ledger.records import Batch
from poller.polling.controller import Controller
from tests.fuzz.corpus import CONFIG, ENVIRON, NOW, SECRETS, Seeds
from tests.fuzz.memory import Answers, InMemory, in_memory

BODY_LIMIT = 480_000


class Broken(AssertionError):
    """Something that must hold does not."""


class Workbench:
    """One ledger, one controller, and the seeds. ``directory`` is for files of its own."""

    def __init__(self, directory: Path, seeds: Seeds) -> None:
        self.seeds = seeds
        self.directory = directory
        self.runner = asyncio.Runner()
        self._answers = Answers()
        self._api: InMemory = self.run(_made(self._answers))
        self.log = io.StringIO()
        configure(self.log, as_json=True)
        self._close: Callable[[], None] = lambda: None
        self.anew()

    def anew(self) -> None:
        """A new ledger, with a good job in it."""
        self._close()
        for path in self.directory.glob("ledger.db*"):
            path.unlink()
        config = self.directory / "fuzz.toml"
        config.write_text(f'{CONFIG}\n[ledger]\npath = "{self.directory / "ledger.db"}"\n')
        self.settings = load(config, ENVIRON)
        stack = contextlib.AsyncExitStack()
        opening = stack.enter_async_context(open_context(self.settings, ENVIRON, clock=lambda: NOW))
        self.line: AppContext = self.run(_in(opening))
        self._close = lambda: self.run(stack.aclose())
        self.ledger: Ledger = self.line.ledger
        self.row = self.ledger.controllers.get("main", 0)

    def close(self) -> None:
        """Close everything."""
        self._close()
        self.run(self._api.aclose())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine returns."""
        return self.runner.run(work)

    def controller(self, **hostile: bytes) -> tuple[Controller, Answers]:
        """The controller, whose answers are good but for the ``hostile`` ones."""
        bodies = {kind: bodies[-1] for kind, bodies in self.seeds.items()}
        answers = self._answers
        answers.bodies, answers.headers = {**bodies, "start": bodies["build"], **hostile}, {}
        return in_memory(self.line.controllers[0], self._api), answers

    def record(self, batch: Batch) -> None:
        """Record what was collected, and look at what would go out."""
        for row in batch.builds:
            if row.payload is not None:
                msgspec.json.decode(row.payload)
                if len(row.payload.decode()) > BODY_LIMIT:
                    raise Broken(f"a payload of {len(row.payload.decode())} characters")
                self.shows(row.payload.decode())
            self.shows(
                (row.execution or b"").decode(),
                *(row.incomplete.why if row.incomplete else ()),
                row.reason or "",
            )
            if row.log is not None:
                packed = row.log.packed
                self.shows("" if packed is None else zlib.decompress(packed).decode())
            if (failure := row.failure) is not None:
                self.tells(*((failure.cause.cause,) if failure.cause is not None else ()))
                packs = [log.kept.packed for log in failure.logs]
                self.shows(*(zlib.decompress(one).decode() for one in packs if one is not None))
                self.shows(*(text for test in failure.tests for text in _texts(test)))
        self.ledger.builds.record(self.row.id, batch, self.settings.sink_names, NOW)

    def shows(self, *texts: str) -> None:
        """What is shown, kept or sent: there is no secret in it."""
        for text in texts:
            for secret in SECRETS:
                if secret in text:
                    raise Broken(f"a secret: …{text[max(0, text.find(secret) - 80) :][:160]}…")

    def tells(self, *lines: str) -> None:
        """What is told to a user: as :meth:`shows`, each one printable line of bounded length."""
        self.shows(*lines)
        for line in lines:
            if escape_line(line) != line:
                raise Broken(f"not a printable line: {line[:200]!r}")
            if len(line) > LONGEST_LINE:
                raise Broken(f"a line of {len(line)} characters: {line[:200]!r}")

    def check(self) -> None:
        """The ledger is consistent, and nothing of the log is a secret or a traceback."""
        self.shows(self.log.getvalue())
        if "Traceback" in self.log.getvalue():
            raise Broken(f"a traceback in the log: {self.log.getvalue()[-2_000:]}")
        self.log.truncate(0)
        self.log.seek(0)
        check_invariants(self.directory / "ledger.db")


LONGEST_LINE = 8_192


def _texts(test: FailedTest) -> tuple[str, ...]:
    return test.suite, test.class_name, test.name, test.status, test.message, test.trace


async def _made(answers: Answers) -> InMemory:
    return InMemory(answers)


async def _in(opening: Any) -> Any:
    return await opening


INVARIANTS = {
    "collected builds without a delivery": "select count(*) from build b where state = 'collected'"
    " and not exists (select 1 from delivery d where d.build = b.id)",
    "deliveries of builds not collected": "select count(*) from delivery d join build b"
    " on b.id = d.build where b.state <> 'collected'",
    "queued runs without a payload": "select count(*) from delivery d where state = 'queued'"
    " and sink <> 'iacm' and not exists (select 1 from payload p where p.build = d.build)",
    "queued executions without a body": "select count(*) from delivery d where state = 'queued'"
    " and sink = 'iacm' and not exists"
    " (select 1 from execution e where e.build = d.build and e.body is not null)",
    "watermarks past what was examined": "select count(*) from job where watermark > examined",
    "builds counted wrong": "select coalesce(sum(abs(n)), 0) from (select sum(n) as n from ("
    " select controller, state, count as n from tally where sink = '' union all"
    " select j.controller, case when b.state = 'skipped' then 'skipped: ' || coalesce(b.reason, '')"
    " else b.state end, -1 from build b join job j on j.id = b.job) group by controller, state)",
    "deliveries counted wrong": "select coalesce(sum(abs(n)), 0) from (select sum(n) as n from ("
    " select sink, state, count as n from tally where sink <> '' and state not like 'skipped: %'"
    " union all select sink, state, -1 from delivery) group by sink, state)",
    "values that are no integers": "select count(*) from build where typeof(timestamp + duration)"
    " <> 'integer' or typeof(number) <> 'integer'",
}
"""What has to be 0 in a ledger, whatever was recorded."""


def check_invariants(path: Path) -> None:
    """Raise Broken where the ledger contradicts itself, or SQLite finds it damaged."""
    conn = sqlite3.connect(path)
    try:
        (told,) = conn.execute("pragma quick_check").fetchone()
        wrong = {} if told == "ok" else {told: 1}
        wrong |= {
            name: n for name, sql in INVARIANTS.items() if (n := conn.execute(sql).fetchone()[0])
        }
    finally:
        conn.close()
    if wrong:
        raise Broken(f"the ledger contradicts itself: {wrong}")
