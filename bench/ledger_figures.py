"""The ledger: its size, how long it takes to open, and `status`: `python -m bench --only ledger`."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.known_builds import copy, kept
from bench.size import Say, Size
from bench.started import CONFIG, POLLER, measured
from poller.demo.sample_jobs import GUID
from poller.ledger import Ledger

SETTLED = 20_000
"""Builds that go the way of the program for the size of one."""


def figures(size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the rows."""
    settled = min(SETTLED, size.builds)
    say(f"a ledger of {settled:,} settled builds")
    command = [sys.executable, "-m", "bench.ledger", str(settled)]
    taken = [float(measured(command).out.split()[0]) for _ in range(size.runs)]
    yield Figure("ledger: bytes a settled build", taken, "", 0, 400, short="bytes a settled build")
    say(f"a ledger of {size.known:,} builds")
    ledger, _, _ = kept(size.known, size.polled)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        copy(ledger, directory)
        path = directory / "ledger.db"
        config = directory / "poller.toml"
        nowhere = "http://127.0.0.1:9/"
        config.write_text(
            CONFIG.format(
                jenkins=nowhere, sei=nowhere, guid=GUID, ledger=path, every="1s", since="30d"
            )
        )
        opening = [sys.executable, "-m", "bench.known_builds", str(path)]
        took = [float(measured(opening).out) for _ in range(size.runs)]
        yield Figure(f"… opening it with {size.known:,} builds", took, " ms", 1, 50,
                     short=f"opening a ledger of {size.known:,}")  # fmt: skip
        empty = directory / "empty.toml"
        empty.write_text(config.read_text().replace("ledger.db", "empty.db"))
        Ledger(directory / "empty.db").close()
        commands = {
            "status": [*POLLER, "--config", str(config), "status"],
            "empty": [*POLLER, "--config", str(empty), "status"],
            "help": [*POLLER, "--help"],
        }
        ms: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(size.runs):
            for what, command in commands.items():
                ms[what].append(1000 * measured(command).wall)
        beyond = [max(0.0, took - statistics.median(ms["empty"])) for took in ms["status"]]
        yield Figure("… `status`, beyond what it takes of an empty ledger", beyond, " ms", 0, 100,
                     short=f"status of {size.known:,}, beyond an empty one")  # fmt: skip
        yield Figure("… `status`, the whole command", ms["status"], " ms", 0)
        yield Figure("… `status` of an empty ledger, the whole command", ms["empty"], " ms", 0)
        yield Figure("… `--help`, the whole command", ms["help"], " ms", 0)
        yield Figure("… the file", [path.stat().st_size / 2**20], " MiB", 0)
