"""What once broke something: each input again, by the file's name to its parser."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from poller.core.errors import LedgerError
from poller.jenkins.build_pages import newest_builds
from poller.ledger import Ledger
from poller.polling.extras.console_log import TRIES, CollectedLog, LogCollector
from tests.fuzz import targets
from tests.fuzz.campaign import Campaign, summary, try_one, watchdog
from tests.fuzz.corpus import seeds
from tests.fuzz.memory import Answers, InMemory, Parts
from tests.fuzz.workbench import Workbench
from tests.support.outbox import waiting

FILES = sorted(path for path in Path(__file__).parent.glob("regressions/*.*"))
SEEDS = seeds()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A ledger of the test's own."""
    bench = Workbench(tmp_path, SEEDS)
    yield bench
    bench.close()


def test_what_was_found_stays_mended(bench: Workbench) -> None:
    """One after the other, on one ledger; it is consistent in the end."""
    found = Campaign()
    with watchdog():
        for path in FILES:
            try_one(bench, path.name.partition(".")[0], path.read_bytes(), found)
    bench.check()
    assert not found.findings, "\n".join(
        [*summary(found), *(f.trace for f in found.findings.values())]
    )
    assert sum(found.inputs.values()) == len(FILES) > 30


class Endless(Answers):
    """A log that always has a little more."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """One byte, and a place to go on."""
        if "consoleText" in str(request.url):
            return await super().__call__(request)
        self.asked += 1
        headers = {
            "Content-Type": "text/plain",
            "X-More-Data": "true",
            "X-Text-Size": str(self.asked),
        }
        return httpx.Response(200, headers=headers, stream=Parts(b"x"))


def test_a_log_that_never_ends_is_left(bench: Workbench) -> None:
    """All its pieces together take no longer than the whole may."""
    controller, _ = bench.controller()
    reader = LogCollector("all", 1_000, 0.02, controller.logs.extraction)
    (build, *_) = bench.run(newest_builds(controller.client, "team/app", 1)).builds
    endless = Endless()

    async def read() -> CollectedLog | None:
        return await reader.read(InMemory(endless), "team/app", build, controller.mapping.redactor)

    log = bench.run(read()).kept
    assert log.read_error is not None
    assert "not done in" in log.read_error
    assert endless.asked > TRIES


def test_a_damaged_payload_is_a_damaged_ledger(bench: Workbench) -> None:
    """SQLite is content with it, zlib is not."""
    targets.builds(bench, SEEDS["builds"][-2])
    (delivery,) = waiting(bench.ledger, "sei", 1)
    path = bench.directory / "ledger.db"
    conn = sqlite3.connect(path)
    with conn:
        conn.execute("update payload set body = x'789c00'")
        conn.execute("update log set text = x'00'")
        builds = [row[0] for row in conn.execute("select build from payload")]
    conn.close()
    for ask in (
        lambda ledger: ledger.queue.get("sei", delivery),
        lambda ledger: ledger.page_queries.payload(builds[0]),
        lambda ledger: ledger.logs.text(builds[0]),
    ):
        with Ledger(path, read_only=True) as ledger, pytest.raises(LedgerError, match="malformed"):
            ask(ledger)  # type: ignore[no-untyped-call]
