"""A campaign: so many hostile answers from a seed, each guarded, and what they broke."""

from __future__ import annotations

import contextlib
import faulthandler
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from poller.core.errors import PollerError
from tests.fuzz.corpus import seeds
from tests.fuzz.mutate import mutated
from tests.fuzz.other_targets import TARGETS, a_ledger
from tests.fuzz.workbench import Broken, Workbench

HANG_SECONDS = 10.0
"""Of processor time for one input. A guard against hangs, and no measure of speed."""

STUCK_SECONDS, ALIVE = 300.0, 200
"""Of the clock for so many inputs, after which even what never comes back to Python is told of, and
the process ends."""

ANEW = 1_500
"""Inputs after which there is a new ledger."""

TEXTUAL = frozenset(
    {"console", "progressive", "satellite", "config", "headers", "search", "url", "ledger"}
)
SEEDS_OF = {"page-headers": "headers", "summaries": "summaries", "start": "build"}


class Hang(BaseException):
    """One input took too long."""


@dataclass
class Finding:
    """One way in which an input broke something."""

    target: str
    what: str
    place: str
    body: bytes
    trace: str = ""
    times: int = 1


@dataclass
class Campaign:
    """What a campaign did: inputs by target, those that a parser refused, and what broke."""

    inputs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: float = 0.0
    largest: int = 0
    grown: int = 0
    """Bytes that the process's peak grew by."""


def run(directory: Path, count: int, seed: int, only: str | None = None) -> Campaign:
    """Give ``count`` hostile answers to the parsers. ``directory`` is for files of its own."""
    chance, found = Random(seed), Campaign()
    bench = Workbench(directory, seeds())
    pool: dict[str, list[bytes]] = {**bench.seeds, "ledger": [a_ledger(bench)]}
    pool["ledger"] += [path.read_bytes() for path in sorted(Path("tests/ledgers").glob("*.db"))]
    targets = {name: share for name, (_, share) in TARGETS.items() if only in (None, name)}
    names = chance.choices(list(targets), list(targets.values()), k=count)
    before, began = peak(), time.monotonic()
    with watchdog():
        for place, name in enumerate(names, 1):
            if place % ALIVE == 1:
                faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
            body = mutated(
                chance, chance.choice(pool[SEEDS_OF.get(name, name)]), is_json=name not in TEXTUAL
            )
            try_one(bench, name, body, found)
            if place % ANEW == 0 or place == count:
                note(found, name, body, bench.check)
                bench.anew()
    found.seconds, found.grown = time.monotonic() - began, peak() - before
    bench.close()
    return found


def try_one(bench: Workbench, name: str, body: bytes, found: Campaign) -> None:
    """One input, to its parser and on."""
    target, _ = TARGETS[name]
    found.inputs[name] += 1
    found.largest = max(found.largest, len(body))
    began = time.process_time()

    def give() -> None:
        try:
            with time_limit(HANG_SECONDS):
                target(bench, body)
        except PollerError as error:
            found.refused[name] += 1
            bench.tells(*str(error).split("\n"), error.hint)

    note(found, name, body, give)
    found.slowest = max(found.slowest, time.process_time() - began)


def note(found: Campaign, name: str, body: bytes, work: Callable[[], None]) -> None:
    try:
        work()
    except (Exception, Hang) as error:
        place = _place(error)
        what = f"{type(error).__name__}: {str(error)[:300]}"
        key = (type(error).__name__, place)
        if key in found.findings:
            found.findings[key].times += 1
            if len(body) < len(found.findings[key].body):
                found.findings[key].body = body
            return
        found.findings[key] = Finding(name, what, place, body, traceback.format_exc())


def _place(error: BaseException) -> str:
    """The innermost line of the program, or of what called it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/poller/" in f.filename] or list(frames)
    if isinstance(error, Broken):
        ours = [f for f in frames if "/tests/fuzz/" in f.filename][-2:-1] or ours
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"


def peak() -> int:
    """The most memory that the process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextlib.contextmanager
def watchdog() -> Iterator[None]:
    """Inside, the process ends with all its stacks told when one input never comes back."""

    def hung(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {HANG_SECONDS} s of processor time")

    before = signal.signal(signal.SIGPROF, hung)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise Hang in what is inside once it has had so much processor time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def summary(found: Campaign) -> list[str]:
    """A campaign in a few lines."""
    total = sum(found.inputs.values())
    lines = [
        f"{total:,} inputs in {found.seconds:.0f} s, {sum(found.refused.values()):,} refused;"
        f" slowest {found.slowest:.2f} s of processor time, largest {found.largest:,} bytes,"
        f" peak memory grew by {found.grown / 2**20:.0f} MiB",
        ", ".join(f"{name} {n:,}" for name, n in found.inputs.most_common()),
    ]
    for one in found.findings.values():
        lines.append(f"{one.target}: {one.what} at {one.place}, {one.times} times")
    return lines
