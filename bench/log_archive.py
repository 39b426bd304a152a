"""What archived console logs cost on disk, and how long a search in them takes.

    python -m bench.log_archive [LOGS] [--compare]

The logs of ``bench.corpus`` are recorded in a real ledger as failed builds; 10,000 are 1 GB of text. With ``--compare``: the index with the places of words (``detail=full``) beside the one that
is kept, and other ways to compress; for zstd, ``pip install zstandard``.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from bench.corpus import logs
from poller.core.build_key import BuildKey
from poller.core.kept_log import KeptLog, pack
from poller.ledger import Ledger
from poller.ledger.logs.search import search_logs
from poller.ledger.records import Batch, BuildRow, JobState

JOBS, AT_ONCE, RUNS = 60, 20, 5
QUERIES = (
    ("two rare words", "outofmemoryerror heap"),
    ("two words, in every fifth log", "connection refused"),
    ("two words, in most logs", "failures downloaded"),
    ("a phrase", '"connection refused"'),
    ("a phrase that is nowhere, of words in most logs", '"downloaded failures"'),
)
Row = tuple[str, str, str]


def fill(ledger: Ledger, count: int) -> tuple[int, float, float]:
    """Record logs as builds; bytes of text, and seconds of compressing and of recording."""
    controller = ledger.controllers.get("main", 0).id
    size, packing, recording = 0, 0.0, 0.0
    made, number = logs(count), 0
    while part := list(islice(made, AT_ONCE)):
        start = time.perf_counter()
        packed = [(len(raw), pack(raw)) for raw in (text.encode() for text in part)]
        packing += time.perf_counter() - start
        rows: list[BuildRow] = []
        for length, one in packed:
            number += 1
            size += length
            log = KeptLog(one, length)
            at = BuildKey(number, 1_700_000_000_000 + number * 60_000, number)
            rows.append(BuildRow(at, 5, "FAILURE", "collected", None, b"{}", log=log))
        state = JobState(f"team-{number // AT_ONCE % JOBS}/app", progress=JobState("").progress)
        start = time.perf_counter()
        ledger.builds.record(controller, Batch(state, "Job", rows, number), (), number)
        recording += time.perf_counter() - start
    return size, packing, recording


def on_disk(path: Path) -> dict[str, int]:
    """Bytes of pages in use: of all, of the index, of the logs."""
    conn = sqlite3.connect(path)
    conn.execute("pragma wal_checkpoint(truncate)")
    sizes = dict(conn.execute("select name, sum(pgsize) from dbstat group by name").fetchall())
    conn.close()
    index = sum(size for name, size in sizes.items() if name.startswith("log_words"))
    return {"all": sum(sizes.values()), "index": index, "logs": sizes["log"]}


def timed(what: Callable[[], object]) -> list[float]:
    """Milliseconds of each of some runs."""
    took = []
    for _ in range(RUNS):
        start = time.perf_counter()
        what()
        took.append((time.perf_counter() - start) * 1000)
    return took


def searches(path: Path) -> Iterator[Row]:
    """Each kind of query, on a ledger opened for it, as the command does."""
    for name, query in QUERIES:

        def ask(query: str = query) -> int:
            with Ledger(path, read_only=True) as ledger:
                return len(search_logs(ledger, query, 0, None, None, 20)[0])

        took = timed(ask)
        limit = "200" if '"' not in query else ""
        spread = f"{statistics.median(took):.0f} ({min(took):.0f} to {max(took):.0f})"
        yield f"search: {name} ({ask()} shown), ms", spread, limit


def rows(count: int = 500, *, compare: bool = False) -> Iterator[Row]:
    """Figure, what was measured, limit or peer."""
    with tempfile.TemporaryDirectory(prefix="sei-poller-bench-") as directory:
        path = Path(directory) / "ledger.db"
        with Ledger(path) as ledger:
            size, packing, recording = fill(ledger, count)
        disk = on_disk(path)
        megabytes = size / 1_000_000
        yield f"archive of {count:,} logs: text, MB", f"{megabytes:.0f}", ""
        yield "… on disk, % of the text", f"{disk['all'] / size * 100:.1f}", "25"
        yield "… of that, compressed text", f"{disk['logs'] / size * 100:.1f}", ""
        yield "… of that, index of words", f"{disk['index'] / size * 100:.1f}", ""
        yield "… compressing, ms a MB", f"{packing / megabytes * 1000:.1f}", ""
        yield "… recording and indexing, ms a MB", f"{recording / megabytes * 1000:.1f}", ""
        yield from searches(path)
        if compare:
            yield from _compared(count, size, Path(directory))


def _compared(count: int, size: int, directory: Path) -> Iterator[Row]:
    for detail in ("none", "full"):
        conn = sqlite3.connect(directory / f"{detail}.db", isolation_level=None)
        conn.execute(
            "create virtual table words using fts5 (text, content='', columnsize=0,"
            f" detail={detail}, tokenize='unicode61 remove_diacritics 0')"
        )
        start = time.perf_counter()
        conn.execute("begin")
        for place, text in enumerate(logs(count), 1):
            conn.execute("insert into words (rowid, text) values (?, ?)", (place, text))
            if place % AT_ONCE == 0:
                conn.execute("commit")
                conn.execute("begin")
        conn.execute("commit")
        took = time.perf_counter() - start
        (index,) = conn.execute(
            "select sum(pgsize) from dbstat where name like 'words%'"
        ).fetchone()
        conn.close()
        cost = f"{index / size * 100:.1f} % of the text"
        yield (
            f"index with detail={detail}",
            cost,
            f"{took / size * 1e9:.0f} ms a MB with the corpus",
        )
    texts = [text.encode() for text in logs(min(count, 500))]
    for name, compress in _ways(texts):
        start = time.perf_counter()
        packed = sum(len(compress(text)) for text in texts)
        took = (time.perf_counter() - start) / sum(map(len, texts)) * 1e9
        share = packed / sum(map(len, texts)) * 100
        yield f"{name}, % of the text", f"{share:.1f}", f"{took:.1f} ms a MB"


def _ways(texts: Sequence[bytes]) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    yield "zlib 6", zlib.compress
    yield "zlib 9", lambda text: zlib.compress(text, 9)
    with suppress(ImportError):
        import zstandard

        for level in (3, 9):
            yield f"zstd {level}", zstandard.ZstdCompressor(level=level).compress
        samples: list[Any] = [
            t[i : i + 4096] for t in texts[:200] for i in range(0, min(len(t), 40_000), 4096)
        ]
        trained = zstandard.train_dictionary(112_640, samples)
        for level in (3, 9):
            compressor = zstandard.ZstdCompressor(level=level, dict_data=trained)
            yield f"zstd {level} with a dictionary of 110 kB", compressor.compress


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    for row in rows(*numbers, compare="--compare" in sys.argv):
        print("  ".join(filter(None, row)), flush=True)
