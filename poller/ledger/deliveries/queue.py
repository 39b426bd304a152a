"""What waits for a sink, and how often each was tried."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from poller.ledger.executions import SINK as IACM
from poller.ledger.file import LedgerFile

ORDERED_TRIES = 5
"""Tries, a quarter of a minute in all, in which a run that fails holds the next ones of its job."""

LONGEST_OWN_WAIT_MS = 900_000
"""No delivery waits for longer: one that is to wait until later was queued by another clock."""

_OWN = "d.failing_since <= coalesce((select last_success from sink where name = d.sink), -1)"
"""Others were delivered since it began to fail: the fault is the run's, not the receiver's."""

ALONE = f"d.state = 'queued' and d.tries > 0 and {_OWN}"
"""That a delivery ``d`` fails while others are delivered."""


_UNKNOWN = "select c.id from instance i join controller c on c.name = i.controller where i.waits"
_KNOWN = f"(d.sink <> 'sei' or d.controller not in ({_UNKNOWN}))"
"""SEI knows the controller's instance GUID, as far as is known."""


_ROW = (
    "select c.name as controller, j.full_name as job, b.number, d.sink, d.tries, d.next_try, d.at,"
    " d.status, d.answer, b.id as build, d.id from delivery d join build b on b.id = d.build"
    " join job j on j.id = b.job join controller c on c.id = d.controller"
)


class Lane(NamedTuple):
    """Deliveries that take turns with those of other lanes: of one controller (its id), of builds
    that polls found, or a backfill."""

    controller: int
    backfilled: bool


@dataclass(frozen=True)
class QueuedDelivery:
    """A delivery that waits, with what is to be sent. ``ended``: its build, and ``failing_since``,
    epoch milliseconds. ``build`` is its id, ``result`` Jenkins' own."""

    id: int
    controller: str
    job: int
    full_name: str
    number: int
    ended: int
    build: int
    result: str | None
    payload: bytes
    tries: int = 0
    failing_since: int | None = None


@dataclass(frozen=True)
class FailedTry:
    """A try that left a delivery queued: ``status`` and ``answer`` are what came, ``next_try`` is
    when to send it again; times are epoch milliseconds."""

    delivery: int
    at: int
    next_try: int
    status: int | None
    answer: str


class DeliveryQueue:
    """The deliveries that are queued."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def lanes(self, sink: str) -> list[Lane]:
        """Those in which something may wait to be sent."""
        with self._file.guarded("read the queue"):
            found = self._file.conn.execute(
                "select controller from tally where sink = ?1 and state = 'queued' and count > 0"
                f" and (?1 <> 'sei' or controller not in ({_UNKNOWN}))",
                (sink,),
            )
            return [Lane(one, backfilled) for (one,) in found for backfilled in (False, True)]

    def untried(self, sink: str, lane: Lane, limit: int, after: int = 0) -> list[tuple[int, int]]:
        """The oldest of a lane that were never tried, with ids above ``after``: id and job."""
        with self._file.guarded("read the queue"):
            return self._file.conn.execute(
                "select d.id, b.job from delivery d indexed by delivery_untried"
                " cross join build b on b.id = d.build where d.sink = ? and d.controller = ?"
                " and d.history = ? and d.state = 'queued' and d.tries = 0 and d.id > ?"
                " order by d.id limit ?",
                (sink, *lane, after, limit),
            ).fetchall()

    def due(self, sink: str, now: int, limit: int) -> list[tuple[int, int]]:
        """Those that failed before and may be tried now, the first due first: id and job."""
        with self._file.guarded("read the queue"):
            return self._file.conn.execute(
                "select d.id, b.job from delivery d indexed by delivery_tried"
                " cross join build b on b.id = d.build"
                " where d.sink = ?1 and d.state = 'queued' and d.tries > 0"
                " and (d.next_try <= ?2 or d.next_try > ?2 + ?3)"
                f" and {_KNOWN} order by d.next_try limit ?4",
                (sink, now, LONGEST_OWN_WAIT_MS, limit),
            ).fetchall()

    def next_due(self, sink: str) -> int | None:
        """When the first of those that failed is to be tried again, epoch milliseconds."""
        (row,) = self._file.rows(
            "select min(next_try) as at from delivery indexed by delivery_tried"
            " where sink = ? and state = 'queued' and tries > 0",
            sink,
        )
        return None if row["at"] is None else int(row["at"])

    def held_jobs(self, sink: str) -> set[int]:
        """The jobs that wait for a run that failed a few times."""
        with self._file.guarded("read the queue"):
            return {
                job
                for (job,) in self._file.conn.execute(
                    "select b.job from delivery d indexed by delivery_tried"
                    " cross join build b on b.id = d.build"
                    " where d.sink = ? and d.state = 'queued' and d.tries > 0 and d.tries <= ?",
                    (sink, ORDERED_TRIES),
                )
            }

    def probe(self, sink: str) -> int | None:
        """The delivery to try a sink with that was down: the oldest of a job that failed least, and
        of those the newest, as it may be one run that the sink can't take."""
        for most in (ORDERED_TRIES, 2**62):
            found = self._file.rows(
                "select min(d.id) as id, d.tries from delivery d join build b on b.id = d.build"
                f" where d.sink = ? and d.state = 'queued' and {_KNOWN} and d.tries <= ?"
                " group by b.job order by d.tries, 1 desc limit 1",
                sink, most,
            )  # fmt: skip
            if found:
                return int(found[0]["id"])
        return None

    def get(self, sink: str, delivery: int) -> QueuedDelivery | None:
        """A delivery that waits for ``sink``; None when it does not wait any more."""
        bodies = "execution" if sink == IACM else "payload"
        with self._file.guarded("read the queue"):
            row = self._file.conn.execute(
                "select d.id, c.name, b.job, j.full_name, b.number, b.timestamp + b.duration,"
                " b.id, b.result, p.body, d.tries, d.failing_since"
                " from delivery d join build b on b.id = d.build join job j on j.id = b.job"
                " join controller c on c.id = d.controller"
                f" join {bodies} p on p.build = b.id where d.id = ? and d.state = 'queued'",
                (delivery,),
            ).fetchone()
            if row is None:
                return None
            *found, body, tries, failing_since = row
            return QueuedDelivery(*(*found, _unpacked(body), tries, failing_since))

    def failed(self, failure: FailedTry) -> None:
        """Note that a delivery was tried and is still queued."""
        with self._file.write("note a try") as conn:
            conn.execute(
                "update delivery set tries = tries + 1, next_try = ?, status = ?, answer = ?,"
                " failing_since = coalesce(failing_since, ?) where id = ? and state = 'queued'",
                (failure.next_try, failure.status, failure.answer, failure.at, failure.delivery),
            )

    def release(self, sink: str) -> None:
        """Try again at once what failed while nothing was delivered, and as often: it was not the
        runs' fault, as far as is known."""
        with self._file.write("try again") as conn:
            conn.execute(
                "update delivery as d set next_try = 0, tries = 1 where sink = ?"
                f" and state = 'queued' and tries > 0 and next_try > 0 and not {_OWN}",
                (sink,),
            )

    def waiting_alone(self, sink: str | None = None, limit: int = -1) -> list[dict[str, Any]]:
        """Runs that fail while others are delivered, the first queued first: controller, job,
        number, sink, tries, ``next_try``, ``at``, status and answer; ``build`` is its id."""
        return self._file.rows(
            f"{_ROW} where d.sink = coalesce(?, d.sink)"
            f" and {ALONE} order by d.id limit ?",
            sink, limit,
        )  # fmt: skip

    def of(self, full_name: str, number: int) -> list[dict[str, Any]]:
        """What waits of the builds of that name and number, the same."""
        return self._file.rows(
            f"{_ROW} where j.full_name = ? and b.number = ? and d.state = 'queued' order by d.id",
            full_name, number,
        )  # fmt: skip


def _unpacked(kept: bytes | str) -> bytes:
    """A payload is compressed, an execution is not."""
    return kept.encode() if isinstance(kept, str) else zlib.decompress(kept)
