"""How a build's payload comes into the outbox, as a part of recording the build."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from poller.core.times import HOUR_MS
from poller.ledger.records import Batch

HISTORY_MS = HOUR_MS
"""A build that ended longer before it was queued is history: it takes turns with the others."""


class Queueing(NamedTuple):
    """How runs are queued: of which controller (its id), when, and as history or not."""

    controller: int
    at: int
    history: bool


def is_history(batch: Batch, at: int) -> bool:
    """Whether builds of long ago are among them; a job's runs go in their order. Pure."""
    ends = (one.key.timestamp + one.duration for one in batch.builds if one.payload is not None)
    return batch.examined is None or min(ends, default=at) < at - HISTORY_MS


def packed(payload: bytes) -> bytes:
    """A payload as it is kept: zlib, with a window of 8 KiB, about the size of one. Clearing the
    usual one of 32 KiB takes half of the time (measured)."""
    return zlib.compress(payload, level=3, wbits=13)


def put_in_outbox(
    conn: sqlite3.Connection, build: int, payload: bytes, sinks: Sequence[str], queue: Queueing
) -> None:
    """Keep a build's payload, and queue it for each sink."""
    conn.execute(
        "insert or replace into payload (build, body) values (?, ?)", (build, packed(payload))
    )
    conn.executemany(
        "insert into delivery (build, sink, state, controller, at, history)"
        " values (?, ?, 'queued', ?, ?, ?)"
        " on conflict do update set state = 'queued', at = excluded.at",
        ((build, sink, *queue) for sink in sinks),
    )
