"""Places that processes share: real locks of real processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poller.errors import LedgerError
from poller.places import PATIENCE, Locks, Places

OTHER = """
import asyncio, sys, time
from pathlib import Path
from poller.places import Locks, Places
places = Places(Locks(Path(sys.argv[1])), "main", int(sys.argv[2]), time.monotonic)
async def hold(seconds, times):
    for _ in range(times):
        place = await places.take()
        print(place, flush=True)
        await asyncio.sleep(seconds)
        places.give(place)
asyncio.run(hold(float(sys.argv[3]), int(sys.argv[4])))
"""


def other(ledger: Path, most: int, seconds: float, times: int = 1) -> subprocess.Popen[str]:
    """Another process that takes a place, holds it so long, gives it back, and takes one again."""
    arguments = [str(ledger), str(most), str(seconds), str(times)]
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, *arguments], text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


async def takes(places: Places, count: int) -> list[int | None]:
    """So many places, one after the other, none given back."""
    return [await places.take() for _ in range(count)]


def places_of(ledger: Path, most: int, now: Callable[[], float] = time.monotonic) -> Places:
    """Ours."""
    return Places(Locks(ledger), "main", most, now)


def test_a_place_of_another_process_is_none_of_ours(tmp_path: Path) -> None:
    """Until it is given back; and each server has its own."""
    ledger = tmp_path / "ledger.db"
    with other(ledger, 2, 1.0):
        began = time.monotonic()
        places = places_of(ledger, 2)
        assert None not in asyncio.run(takes(places, 1))
        assert None not in asyncio.run(takes(Places(Locks(ledger), "east", 2, time.monotonic), 2))
        assert time.monotonic() - began < 0.7
        assert None not in asyncio.run(takes(places, 1))
        assert time.monotonic() - began > 0.7


def test_who_waits_is_next(tmp_path: Path) -> None:
    """One that takes the only place again and again leaves it to who waits for it."""
    ledger = tmp_path / "ledger.db"
    with other(ledger, 1, 0.05, times=1000) as busy:
        places, began = places_of(ledger, 1), time.monotonic()
        for _ in range(5):
            (place,) = asyncio.run(takes(places, 1))
            assert place is not None
            places.give(place)
        assert time.monotonic() - began < 5
        assert busy.poll() is None
        busy.kill()


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    """The kernel gives its places back."""
    ledger = tmp_path / "ledger.db"
    with other(ledger, 1, 60) as killed:
        killed.kill()
        killed.wait()
        assert None not in asyncio.run(takes(places_of(ledger, 1), 1))


def test_one_that_hangs_holds_nobody_up_for_ever(tmp_path: Path) -> None:
    """A process that was stopped has its places still."""
    ledger, ticks = tmp_path / "ledger.db", iter(range(10_000))
    with other(ledger, 1, 60) as stopped:
        places = places_of(ledger, 1, lambda: next(ticks) * PATIENCE / 3)
        assert asyncio.run(takes(places, 2)) == [None, None]
        stopped.kill()


def test_a_directory_that_is_not_ours_is_told_of(tmp_path: Path) -> None:
    """As with the ledger itself."""
    with pytest.raises(LedgerError, match="places"):
        Locks(tmp_path / "gone" / "ledger.db")
