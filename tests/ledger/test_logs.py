"""Console logs in the ledger."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from bench.corpus import logs as made_up_logs
from poller.core.build_key import BuildKey
from poller.core.kept_log import KeptLog, pack
from poller.ledger import Ledger
from poller.ledger.logs.search import parse_query, search_logs
from poller.ledger.logs.waiting import LogAge
from poller.ledger.records import Batch, BuildRow, JobState
from poller.ledger.schema import migrations
from tests.support.ledgers import LEDGERS

OLD = LEDGERS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def log(text: str, left_out: int = 0, absent: str | None = None) -> KeptLog:
    """What was read of a log."""
    raw = text.encode()
    return KeptLog(pack(raw), len(raw) + left_out, left_out, absent)


def keep(
    ledger: Ledger, number: int, kept: KeptLog | None, *, at: int = 1, job: str = "app"
) -> None:
    """Record a failed build of the job with its log."""
    controller = ledger.controllers.get("main", 0).id
    state = ledger.jobs.states(controller).get(job, JobState(job))
    row = BuildRow(
        BuildKey(number, 1_000 * number, number), 5, "FAILURE", "collected", None, b"{}", log=kept
    )
    ledger.builds.record(controller, Batch(state, "Job", [row], number), ("sei",), at)


def found(ledger: Ledger, text: str, since: int = 0) -> list[int]:
    """Numbers of the builds whose logs have all words."""
    query = parse_query(text)
    assert query is not None
    return [row.number for row in ledger.logs.with_words(query.words, since)]


def pages(path: Path) -> int:
    """Pages of the file that are in use."""
    conn = sqlite3.connect(path)
    (used,) = conn.execute("pragma page_count").fetchone()
    (free,) = conn.execute("pragma freelist_count").fetchone()
    conn.close()
    return int(used) - int(free)


def test_a_log_comes_back_as_it_was_kept(ledger: Ledger) -> None:
    """With what is left out of it, and when it was read."""
    keep(ledger, 1, log("a\n日本\n", left_out=100), at=7)
    (row,) = ledger.logs.of_build("app", 1)
    assert (row.controller, row.full_name, row.number, row.result) == ("main", "app", 1, "FAILURE")
    assert (row.at, row.size, row.left_out, row.read_error) == (7, 109, 100, None)
    assert ledger.logs.text(row.build).decode() == "a\n日本\n"
    assert ledger.logs.of_build("app", 2) == []


def test_that_there_is_none_is_kept_too(ledger: Ledger) -> None:
    """With the reason. What was read for the rules alone leaves nothing."""
    keep(ledger, 1, KeptLog(read_error="HTTP 404"))
    keep(ledger, 2, KeptLog())
    keep(ledger, 3, None)
    (row,) = ledger.logs.of_build("app", 1)
    assert row.read_error == "HTTP 404"
    assert ledger.logs.text(row.build) == b""
    assert ledger.logs.of_build("app", 2) == ledger.logs.of_build("app", 3) == []


def test_words_are_found_newest_first(ledger: Ledger) -> None:
    """All of them, from their beginning, in any case; of builds since then."""
    keep(ledger, 1, log("Connection refused\n"))
    keep(ledger, 2, log("connection was refused by db-1\n"))
    keep(ledger, 3, log("java.lang.OutOfMemoryError\n"))
    assert found(ledger, "connection refused") == [2, 1]
    assert found(ledger, "outofmemory") == [3]
    assert found(ledger, "refused", since=2_000) == [2]
    assert found(ledger, "absent") == []


def test_a_phrase_is_found_where_its_words_are_side_by_side(ledger: Ledger) -> None:
    """The index knows words alone; the texts are looked at until there are enough hits."""
    for number in range(1, 9):
        keep(
            ledger,
            number,
            log("connection refused\n" if number % 4 == 0 else "refused connection\n"),
        )
    hits, more = search_logs(ledger, '"connection refused"', 0, None, None, limit=10)
    assert ([hit.log.number for hit in hits], more) == ([8, 4], False)
    hits, more = search_logs(ledger, '"refused connection"', 0, None, None, limit=2)
    assert ([hit.log.number for hit in hits], more) == ([7, 6], True)


def test_a_search_may_be_narrowed(ledger: Ledger) -> None:
    """To jobs by a glob, to a controller."""
    keep(ledger, 1, log("boom\n"), job="team/app")
    keep(ledger, 2, log("boom\n"), job="other/app")
    (hit,), _ = search_logs(ledger, "boom", 0, "team/**", None, limit=10)
    assert hit.log.full_name == "team/app"
    assert len(search_logs(ledger, "boom", 0, None, "main", limit=10)[0]) == 2
    assert search_logs(ledger, "boom", 0, None, "another", limit=10) == ([], False)


def test_logs_go_when_they_were_read_long_ago(ledger: Ledger) -> None:
    """And their words with them; those that are younger stay."""
    keep(ledger, 1, log("boom old\n"), at=10_000)
    keep(ledger, 2, KeptLog(read_error="HTTP 404"), at=10_000)
    keep(ledger, 3, log("boom young\n"), at=20_000)
    assert ledger.logs.forget(LogAge(10_000, 10_000)) == 0
    assert ledger.logs.forget(LogAge(10_001, 10_001)) == 2
    assert found(ledger, "boom") == [3]
    assert found(ledger, "old") == []
    assert ledger.logs.of_build("app", 1) == ledger.logs.of_build("app", 2) == []


def test_the_index_shrinks_when_logs_go(ledger: Ledger) -> None:
    """The space is used for what comes."""
    empty = pages(ledger.path)
    for number, text in enumerate(made_up_logs(120, mean=20_000), 1):
        keep(ledger, number, log(text), at=number)
    ledger.file.conn.execute("pragma wal_checkpoint")
    full = pages(ledger.path)
    assert ledger.logs.forget(LogAge(120_001, 120_001)) == 120
    ledger.file.conn.execute("pragma wal_checkpoint")
    left = pages(ledger.path)
    assert left - empty < (full - empty) / 4
    assert ledger.file.rows("select count(*) as count from log")[0]["count"] == 0
    ledger.file.conn.execute("insert into log_words (log_words) values ('integrity-check')")


def test_a_log_read_again_replaces_the_one_before(ledger: Ledger) -> None:
    """As when a build was taken for gone and came back."""
    controller = ledger.controllers.get("main", 0).id
    for text in ("first\n", "second\n"):
        row = BuildRow(BuildKey(1, 1, 1), 0, None, "skipped", "gone", log=log(text))
        ledger.builds.record(controller, Batch(JobState("app"), "Job", [row], 1), (), 1)
        keep(ledger, 1, log(text))
    (row_now,) = ledger.logs.of_build("app", 1)
    assert ledger.logs.text(row_now.build) in (b"first\n", b"second\n")
    assert len(found(ledger, "first")) + len(found(ledger, "second")) == 1


@pytest.mark.parametrize("name", ["m001.db"])
def test_an_old_file_takes_logs(tmp_path: Path, name: str) -> None:
    """After it was brought up to date."""
    path = tmp_path / "ledger.db"
    shutil.copy(OLD / name, path)
    with Ledger(path) as ledger:
        keep(ledger, 900, log("boom\n"), job="logged")
        assert found(ledger, "boom") == [900]


def test_the_file_of_the_version_before_takes_logs(tmp_path: Path) -> None:
    """Its builds are as they were."""
    path = tmp_path / "ledger.db"
    db = Database(path)
    migrations.apply(db, stop_before="m003_logs")
    db.execute("insert into controller (id, name, since) values (1, 'main', 0)")
    db.conn.commit()
    db.close()
    with Ledger(path) as ledger:
        keep(ledger, 1, log("boom\n"))
        assert found(ledger, "boom") == [1]
        assert ledger.controllers.get("main", 9).since == 0
