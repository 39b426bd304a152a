"""A small campaign at each run of the tests: ``python -m tests.fuzz`` is the large one."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import over_http
from tests.fuzz.campaign import Campaign, run, summary
from tests.fuzz.corpus import PLANTED_SECRET, seeds
from tests.fuzz.dense import DENSE, MOST_TIMES, times
from tests.fuzz.mutate import mutated
from tests.fuzz.workbench import Broken, Workbench
from tests.support.campaign import sizes

SEED = int(os.environ.get("FUZZ_SEED", "20261125"))


def whole(found: Campaign) -> str:
    """All that was found, for whoever has to mend it."""
    traces = (f"{one.trace}\ninput: {one.body[:2_000]!r}" for one in found.findings.values())
    return "\n".join([f"seed {SEED}", *summary(found), *traces])


@pytest.mark.parametrize("inputs", sizes(600, 3000))
def test_hostile_answers(tmp_path: Path, inputs: int) -> None:
    """No traceback, no hang, no secret; the ledger is consistent."""
    found = run(tmp_path, inputs, SEED)
    assert not found.findings, whole(found)
    assert sum(found.inputs.values()) == inputs
    assert len(found.inputs) > 20
    assert sum(found.refused.values()) > inputs / 10


@pytest.mark.parametrize("inputs", sizes(10, 40))
def test_hostile_servers(tmp_path: Path, inputs: int) -> None:
    """The whole program: the good job is collected whatever the others answer."""
    found = over_http.run(tmp_path, inputs, SEED, commands=1)
    assert not found.findings, whole(found)
    assert found.inputs["over HTTP"] >= inputs


def test_the_densest_answers_have_a_bound(tmp_path: Path) -> None:
    """Of memory, in their own size; tracemalloc sees what msgspec and SQLite's cursors hold."""
    bench = Workbench(tmp_path, seeds())
    taken = {name: times(bench, name, 50_000) for name in DENSE}
    bench.close()
    assert {name: n for name, n in taken.items() if n > MOST_TIMES} == {}


def test_a_seed_is_a_campaign() -> None:
    """The same one gives the same answers."""
    body = seeds()["builds"][-2]
    one, other = (mutated(Random(5), body, is_json=True) for _ in range(2))
    assert one == other


def test_it_finds_what_is_wrong(tmp_path: Path) -> None:
    """A secret, a line that moves the cursor: the bench sees them."""
    bench = Workbench(tmp_path, seeds())
    with pytest.raises(Broken, match="secret"):
        bench.shows(f"see {PLANTED_SECRET}")
    with pytest.raises(Broken, match="printable"):
        bench.tells("\x1b[2J")
    with bench.ledger.file.write("spoil it") as conn:
        conn.execute("insert into tally values (1, 'sei', 'queued', 3)")
    with pytest.raises(Broken, match="contradicts itself"):
        bench.check()
    bench.close()
