"""``preload.c`` beside a process: crashes between two system calls, full disks, and another time.

The library is built with gcc when it is first wanted. CPython's ``sqlite3`` and SQLite call libc by
name, so it sees each of their calls; that it does is checked.
"""

from __future__ import annotations

import mmap
import os
import random
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("preload.c")
ENTRY = struct.Struct("=c23sqq")
CONTROL = struct.Struct("=7q")


@cache
def library() -> Path:
    """The built library."""
    built = Path(tempfile.mkdtemp(prefix="sei-poller-preload-")) / "preload.so"
    command = ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(built), str(SOURCE), "-ldl"], check=True)
    return built


def need_gcc() -> None:
    """Skip where there is no compiler; CI installs it, so there it is never skipped."""
    if shutil.which("gcc") is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs gcc and libc6-dev: gcc is not there")
        pytest.skip("not installed: the Debian packages gcc and libc6-dev")


@dataclass(frozen=True)
class Change:
    """One call that changed a file: ``what`` is c(reate), w(rite), t(runcate), s(ync), u(nlink);
    ``file`` is what its name has beyond the prefix."""

    what: str
    file: str
    at: int
    data: bytes


class Preload:
    """What is shared with the processes that have ``environ``: all fields may be set while they
    run. ``files`` is how the paths begin that it is about."""

    def __init__(self, directory: Path, files: Path) -> None:
        self._journal = directory / "preload.journal"
        control = directory / "preload.control"
        control.write_bytes(bytes(4096))
        with control.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 4096)
        self.files = files
        self.environ = {
            "LD_PRELOAD": str(library()),
            "PRELOAD_CONTROL": str(control),
            "PRELOAD_FILES": str(files),
        }
        self.reset()

    def _get(self, field: int) -> int:
        return int(struct.unpack_from("=q", self._shared, 8 * field)[0])

    def _set(self, field: int, value: int) -> None:
        struct.pack_into("=q", self._shared, 8 * field, value)

    def reset(self) -> None:
        """Nothing is asked for; the calls are counted from 0, and the journal is empty."""
        CONTROL.pack_into(self._shared, 0, 0, 0, 0, 0, -1, 0, 0)
        self._journal.write_bytes(b"")

    def shift_clock(self, seconds: int) -> None:
        """The wall clock shows so much more than it is."""
        self._set(0, seconds * 1_000_000_000)

    @property
    def calls(self) -> int:
        """Calls so far that changed one of the files, or would have."""
        return self._get(1)

    def die_at(self, call: int, *, torn: bool = False) -> None:
        """SIGKILL before that call; with ``torn``, when half of it is done if it is a write."""
        self._set(3, torn)
        self._set(2, call)

    def refuse(self, error: int, after: int = 0, *, half: bool = False) -> None:
        """No write succeeds after so many more, but fails with ``error``; with ``half``, when half
        of it is done. Where ``error`` is EIO no sync does, either."""
        self._set(5, error)
        self._set(3, half)
        self._set(4, after)

    def accept(self) -> None:
        """There is room again."""
        self._set(4, -1)

    @property
    def refused(self) -> int:
        """Writes refused so far."""
        return self._get(6)

    def journal(self) -> dict[str, str]:
        """The environment to keep a journal, too."""
        return {"PRELOAD_JOURNAL": str(self._journal)}

    def changes(self) -> Iterator[Change]:
        """The journal."""
        kept = self._journal.read_bytes()
        place = 0
        while place < len(kept):
            what, name, at, size = ENTRY.unpack_from(kept, place)
            place += ENTRY.size
            data = kept[place : place + size]
            place += size
            yield Change(what.decode(), name.rstrip(b"\0").decode(), at, data)


def after_power_loss(
    before: dict[str, bytes], changes: Iterator[Change], chance: random.Random
) -> dict[str, bytes]:
    """What a disk may hold: all that was synced, and of each later change of a file, sector by
    sector, any. ``before`` are the files, whole on the disk, when ``changes`` began; keys are
    :attr:`Change.file`."""
    synced = {name: bytearray(data) for name, data in before.items()}
    waiting: dict[str, list[Change]] = {}
    for change in changes:
        if change.what == "u":
            waiting.setdefault(change.file, []).append(change)
        elif change.what == "s":
            for one in waiting.pop(change.file, []):
                _apply(synced, one)
            synced.setdefault(change.file, bytearray())
        else:
            waiting.setdefault(change.file, []).append(change)
    for changes_left in waiting.values():
        # Sectors reach the disk in any order, but what was cut off or taken away only in its turn.
        for one in changes_left[: chance.randrange(len(changes_left) + 1)]:
            for part in _sectors(one):
                if part.what != "w" or chance.random() < 0.5:
                    _apply(synced, part)
    return {name: bytes(data) for name, data in synced.items()}


SECTOR = 512


def _sectors(change: Change) -> Iterator[Change]:
    if change.what != "w":
        yield change
        return
    for start in range(0, len(change.data), SECTOR):
        part = change.data[start : start + SECTOR]
        yield Change("w", change.file, change.at + start, part)


def _apply(files: dict[str, bytearray], change: Change) -> None:
    if change.what == "u":
        files.pop(change.file, None)
        return
    data = files.setdefault(change.file, bytearray())
    if change.what == "t":
        del data[change.at :]
        data.extend(bytes(change.at - len(data)))
    elif change.what == "w":
        data.extend(bytes(max(0, change.at - len(data))))
        data[change.at : change.at + len(change.data)] = change.data
