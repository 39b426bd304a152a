"""How much memory the densest answers cost: ``python -m tests.fuzz.dense [MIB]`` is the table.

An answer's limit is in bytes as they come; what JSON of many tiny parts is decoded into is larger.
"""

from __future__ import annotations

import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

from poller.core.errors import PollerError
from tests.fuzz.corpus import seeds
from tests.fuzz.other_targets import TARGETS
from tests.fuzz.workbench import Workbench

MIB = 2**20

MOST_TIMES = 65
"""A small answer takes at most so many times its own size while it is read, decoded and recorded;
of a large one, the number of its objects is limited, too."""

LIMITS = {"manifest": MIB - 100, "origin": MIB - 100, "describe": 8 * MIB - 100}


def _list(before: bytes, part: bytes, after: bytes) -> Callable[[int], bytes]:
    return lambda size: before + b",".join([part] * (size // (len(part) + 1))) + after


DENSE: Mapping[str, tuple[str, Callable[[int], bytes]]] = {
    "items of nothing": ("items", _list(b'{"jobs":[', b"{}", b"]}")),
    "lists of nothing": ("items", _list(b'{"jobs":[', b"[]", b"]}")),
    "pairs of words": ("items", _list(b'{"jobs":[', b'{"ab":"cd"}', b"]}")),
    "words": ("items", _list(b'{"jobs":[', b'"ab"', b"]}")),
    "items of no name": ("items", _list(b'{"jobs":[', b'{"fullName":"a"}', b"]}")),
    "what runs": ("running", _list(b'{"computer":[', b'{"executors":[]}', b"]}")),
    "builds of nothing": ("builds", _list(b'{"builds":[', b'{"number":1}', b"]}")),
    "heads": ("heads", _list(b'{"allBuilds":[', b'{"number":1}', b"]}")),
    "actions": ("builds", _list(b'{"builds":[{"number":1,"actions":[', b"{}", b"]}]}")),
    "parameters": (
        "builds",
        _list(b'{"builds":[{"number":1,"actions":[{"parameters":[', b"{}", b"]}]}]}"),
    ),
    "summaries": ("summaries", _list(b'{"builds":[', b'{"number":1}', b"]}")),
    "one deep summary": ("summaries", lambda size: b'{"builds":[' + b'{"a":' * (size // 5)),
    "stages": ("describe", _list(b'{"id":"1","stages":[', b"{}", b"]}")),
    "steps": ("describe", _list(b'{"id":"1","stages":[{"id":"1","stageFlowNodes":[', b'{"id":"1"}', b"]}]}")),
    "causes": ("origin", _list(b'{"number":1,"actions":[{"causes":[', b"{}", b"]}]}")),
    "manifest": ("manifest", _list(b'{"artifacts":[', b"{}", b"]}")),
    "metadata": ("manifest", _list(b'{"artifacts":[{"metadata":[', b"[]", b"]}]}")),
    "a log without lines": ("console", lambda size: b"x" * size),
    "a log of lines": ("console", lambda size: b"\n" * size),
    "a log of escapes": ("console", lambda size: b"\x1b[8m" * (size // 4)),
    "a log of no UTF-8": ("console", lambda size: b"\xff" * size),
    "executions": (
        "executions",
        _list(b"[", b'{"pipeline_execution_id":"","pipeline_stage_id":""}', b"]"),
    ),
}  # fmt: skip
"""By name: what it is an answer to, and an answer of so many bytes."""


def times(bench: Workbench, name: str, size: int) -> float:
    """The most memory that an answer of ``size`` bytes took, in its own size."""
    target, make = DENSE[name]
    body = make(min(size, LIMITS.get(target, size)))
    tracemalloc.start()
    try:
        TARGETS[target][0](bench, body)
    except PollerError:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most / len(body)


def main() -> None:
    """The table."""
    size = int(sys.argv[1]) * MIB if sys.argv[1:] else MIB
    with tempfile.TemporaryDirectory() as directory:
        bench = Workbench(Path(directory), seeds())
        for name in DENSE:
            bench.anew()  # in which no build is settled yet
            print(f"{name:22} {times(bench, name, size):6.1f}")
        bench.close()


if __name__ == "__main__":
    main()
