"""`make bench`: one table. Each figure stands beside its goal and its peers, of the same run.

The raw results, the table and its picture go into ``--out``. ``--remake`` draws the table and the
picture anew from raw results that are there.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import backfill, idle, ledger_figures, live, mapping, once, reconcile, stages
from bench.figure import Figure, Results, decoded, unmeasured
from bench.report import all_figures, table, write
from bench.size import Say, Size
from bench.started import CACHE

Section = Callable[[Size, Say], Iterator[Figure]]

SECTIONS: Mapping[str, Section] = {
    "backfill": backfill.figures,
    "once": once.figures,
    "stages": stages.figures,
    "idle": idle.figures,
    "run": live.figures,
    "ledger": ledger_figures.figures,
    "reconcile": reconcile.figures,
    "mapping": mapping.figures,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write. 1 when a figure could not be had."""
    os.environ.pop("SEI_POLLER_CONFIG", None)
    given = sys.argv[1:] if arguments is None else arguments
    asked = parser().parse_args(given)
    if unknown := [name for name in asked.only.split(",") if name not in SECTIONS]:
        parser().error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    out = Path(asked.out)
    if asked.remake:
        results = decoded((out / "results.json").read_bytes())
    else:
        size = Size(
            builds=asked.builds, jobs=asked.jobs, runs=asked.runs, share=asked.share,
            polled=asked.polled, known=asked.known, reconciled=asked.reconciled,
            window=asked.window,
        )  # fmt: skip
        results = measured(size, asked.only.split(","), " ".join(["python -m bench", *given]))
    write(results, out)
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(f"{results.machine}; {results.date}; {results.command}", highlight=False)
    console.print(table(results))
    return int(any(figure.failed for figure in all_figures(results)))


def parser() -> argparse.ArgumentParser:
    """The options; without any it is the run that RESULTS.md shows."""
    made = argparse.ArgumentParser("python -m bench", description=__doc__)
    made.add_argument("--builds", type=int, default=20_000, help="of the backfill")
    made.add_argument("--jobs", type=int, default=200, help="of the backfill")
    made.add_argument("--runs", type=int, default=5)
    made.add_argument(
        "--share", type=float, default=0.01, help="of the jobs, for the slow contenders"
    )
    made.add_argument("--polled", type=int, default=10_000, help="jobs of the idle poll, of `run`")
    made.add_argument("--known", type=int, default=1_000_000, help="builds in the ledger of `run`")
    made.add_argument("--reconciled", type=int, default=200_000, help="builds of `reconcile`")
    made.add_argument("--window", type=float, default=45.0, help="seconds of `run` a run")
    made.add_argument("--only", default=",".join(SECTIONS), help="sections, by comma")
    made.add_argument("--out", default=str(CACHE), help="directory for results.json and the rest")
    made.add_argument("--remake", action="store_true", help="draw what is in --out anew")
    return made


def measured(size: Size, names: list[str], command: str) -> Results:
    """Every section in turn; one that fails says so in its row."""
    console = Console(stderr=True, highlight=False)
    start, date = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d")
    where = machine()
    sections: dict[str, list[Figure]] = {}
    results = Results(where, date, command, 0, sections)

    def say(words: str) -> None:
        console.print(f"{(time.monotonic() - start) / 60:5.1f} min  {words}")

    for name in names:
        figures = sections.setdefault(name, [])
        try:
            for figure in SECTIONS[name](size, say):
                figures.append(figure)
        except Exception as error:
            figures.append(unmeasured(name, error))
            say(f"{name} failed: {error}")
        results = Results(where, date, command, (time.monotonic() - start) / 60, sections)
        write(results, CACHE)  # what there is, should the rest not come to an end
    return results


def machine() -> str:
    """What it ran on, and how busy that was at the start."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return (
        f"{os.cpu_count()} cores of {cpu}, Linux {platform.release()}, Python"
        f" {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" load {os.getloadavg()[0]:.1f} at the start"
    )


if __name__ == "__main__":
    sys.exit(main())
