"""The outbox: what became of deliveries, their payloads, and what is known of each sink."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from poller.core.build_key import BuildKey
from poller.ledger.deliveries.queue import ALONE
from poller.ledger.deliveries.requeueing import bodies, map_anew, queue_again
from poller.ledger.deliveries.sent import Delivered, DeliveredBuild, SentBuild
from poller.ledger.file import LedgerFile
from poller.ledger.jobs import take_watermark_back
from poller.ledger.records import BuildRow
from poller.ledger.watermark import AWAITED, advance

Outcome = Literal["delivered", "rejected"]
DROPPED = "they were kept for twice as long as keep_logs says, and it still waited"
"""Why a build goes without its logs."""

PAGE = 500
"""Builds that are read at once."""

PAGES_GIVEN_BACK = 1_000
"""Pages that are given back to the disk at once: never more than a moment's work."""


class Outbox:
    """The tables ``delivery`` and ``payload``, and what is known of each sink."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def settle(
        self,
        delivery: int,
        state: Outcome,
        at: int,
        status: int | None = None,
        answer: str | None = None,
        *,
        by_hand: bool = False,
    ) -> None:
        """Record the receiver's final answer to a delivery, or what was decided ``by_hand``, and
        let the watermark follow."""
        with self._file.write("settle a delivery") as conn:
            build, sink = conn.execute(
                "update delivery set state = ?, at = ?, status = ?, answer = ? where id = ?"
                " returning build, sink",
                (state, at, status, answer, delivery),
            ).fetchone()
            conn.execute(
                "update payload set settled_at = ?1 where build = ?2 and not exists"
                f" (select 1 from delivery d where d.build = ?2 and {AWAITED})",
                (at, build),
            )
            (job,) = conn.execute("select job from build where id = ?", (build,)).fetchone()
            advance(conn, job)
            if by_hand:
                return
            conn.execute(
                "insert into sink (name, last_success) values (?, ?) on conflict do update"
                " set last_success = excluded.last_success, last_error = null"
                # Once a second is enough: a page less to write for each of the others.
                " where last_error is not null or last_success is null"
                " or last_success / 1000 <> excluded.last_success / 1000",
                (sink, at),
            )

    def note_without_logs(self, delivery: int, why: str) -> None:
        """Record that the delivery went without logs that there are."""
        with self._file.write("note logs that were not sent") as conn:
            conn.execute("update delivery set without_logs = ? where id = ?", (why, delivery))

    def note_dropped_logs(self, read_before: int) -> None:
        """Record of what still waits for SEI that its logs, read before then, are dropped now."""
        with self._file.write("note logs that are dropped") as conn:
            conn.execute(
                "update delivery set without_logs = ?2 where sink = 'sei' and state = 'queued'"
                " and without_logs is null and build in (select build from log where at < ?1"
                " union select build from step_log where at < ?1) and (select result from build"
                " where id = delivery.build) in ('FAILURE', 'UNSTABLE', 'ABORTED')",
                (read_before, DROPPED),
            )

    def rejected(self) -> list[dict[str, Any]]:
        """What the receivers refused, oldest first: controller, job, number, sink, ``at``, status
        and answer; ``build`` is its id."""
        return self._file.rows(
            "select c.name as controller, j.full_name as job, b.number, d.sink, d.at, d.status,"
            " d.answer, b.id as build from delivery d indexed by delivery_rejected"
            " join build b on b.id = d.build join job j on j.id = b.job"
            " join controller c on c.id = d.controller where d.state = 'rejected' order by d.id"
        )

    def delivered(self, which: Delivered, after: int) -> list[DeliveredBuild]:
        """The next :data:`PAGE` of them with ids above ``after``."""
        of_sink = (
            "exists (select 1 from delivery d where d.build = b.id and d.state = '{}'"
            " and d.sink in (select value from json_each(?2)))"
        )
        first = (
            "incomplete i cross join build b on b.id = i.build" if which.incomplete else "build b"
        )
        with self._file.guarded("read builds"):
            rows = self._file.conn.execute(
                f"select b.id, j.full_name from {first} join job j on j.id = b.job"
                " where b.id > ?3 and j.controller = ?1 and b.timestamp >= coalesce(?4, 0)"
                f" and (?5 is null or b.timestamp < ?5) and {of_sink.format('delivered')}"
                f" and not {of_sink.format('queued')} order by b.id limit ?6",
                (
                    which.controller, json.dumps(list(which.sinks)), after, which.since,
                    which.until, PAGE,
                ),
            )  # fmt: skip
            return [DeliveredBuild(*row) for row in rows]

    def sent(self, build: int) -> SentBuild:
        """A build that is to be sent again."""
        (row,) = self._file.rows(
            "select b.id, j.full_name, coalesce(b.id_generation, 0) as id_generation,"
            " b.number, b.timestamp, b.queue_id,"
            " coalesce(b.build_number, b.number) as build_number, p.build is not null as kept,"
            " (select group_concat(d.sink) from delivery d where d.build = b.id"
            "  and d.state = 'rejected') as refused_by"
            " from build b join job j on j.id = b.job left join payload p on p.build = b.id"
            " where b.id = ?",
            build,
        )
        key = BuildKey(row["number"], row["timestamp"], row["queue_id"] or 0)
        number_offset = row["build_number"] - row["number"]
        refused_by = frozenset((row["refused_by"] or "").split(",")) - {""}
        return SentBuild(
            build, row["full_name"], row["id_generation"], number_offset, key, bool(row["kept"]),
            refused_by,
        )  # fmt: skip

    def requeue(self, build: int, at: int, new: BuildRow | None, sinks: Sequence[str]) -> None:
        """Put a build's deliveries back to the queue: the rejected ones and those that failed, and
        those of ``sinks`` that take job runs. With ``new`` it is sent as that, else as it was
        kept; IaCM's rejection stays where there is no execution of it any more."""
        with self._file.write("queue a build again") as conn:
            if new is not None and new.payload is not None:
                map_anew(conn, build, new, at)
            queue_again(conn, build, at, new, sinks)

    def complete(self, build: int, at: int, new: BuildRow, sinks: Sequence[str]) -> None:
        """Keep what a run has more of now, and queue it again for ``sinks`` where that changes what
        is sent: a log that came late is nothing to send."""
        with self._file.write("complete a run") as conn:
            before = bodies(conn, build)
            map_anew(conn, build, new, at)
            if bodies(conn, build) != before:
                queue_again(conn, build, at, new, sinks)

    def sink_failed(self, sink: str, at: int, error: str) -> None:
        """Note why a sink takes nothing now."""
        with self._file.write("note a sink's error") as conn:
            conn.execute(
                "insert into sink (name, last_error, last_error_at) values (?, ?, ?)"
                " on conflict do update set last_error = excluded.last_error,"
                " last_error_at = excluded.last_error_at",
                (sink, error, at),
            )

    def forget_payloads(self, settled_before: int) -> int:
        """Drop the payloads that were settled before then, and what waits for a sink that is no
        longer configured with them. Returns how many. Those of a build that began later were
        settled by a clock that was behind."""
        old = (
            " from payload where settled_at < ?1"
            " and (select timestamp from build where id = payload.build) < ?1"
        )
        with self._file.write("drop payloads") as conn:
            conn.execute(
                f"delete from delivery where state = 'queued' and build in (select build{old})",
                (settled_before,),
            )
            dropped = conn.execute(f"delete{old}", (settled_before,)).rowcount
        with self._file.guarded("give room back"):
            self._file.conn.execute(f"pragma incremental_vacuum({PAGES_GIVEN_BACK})").fetchall()
        return dropped

    def count(self, sink: str, state: str) -> int:
        """How many deliveries to a sink are in that state."""
        (row,) = self._file.rows(
            "select coalesce(sum(count), 0) as count from tally where sink = ? and state = ?",
            sink, state,
        )  # fmt: skip
        return int(row["count"])

    def count_queued(self) -> int:
        """How many deliveries wait, over all sinks that are configured."""
        (row,) = self._file.rows(
            "select coalesce(sum(count), 0) as count from tally where sink <> ''"
            " and state = 'queued' and sink not in (select name from sink where not configured)"
        )
        return int(row["count"])

    def oldest_queued(self) -> list[dict[str, Any]]:
        """Controller, sink and ``at`` of the oldest delivery that waits, where any does."""
        return self._file.rows(
            "select c.name as controller, t.sink, (select min(d.at) from delivery d"
            " where d.sink = t.sink and d.controller = t.controller and d.state = 'queued') as at"
            " from tally t join controller c on c.id = t.controller"
            " where t.sink <> '' and t.state = 'queued' and t.count > 0"
        )

    def former_sinks(self) -> dict[str, int]:
        """How many deliveries wait for each sink that is not configured."""
        rows = self._file.rows(
            "select sink, sum(count) as queued from tally where state = 'queued' and count > 0"
            " and sink in (select name from sink where not configured) group by sink"
        )
        return {row["sink"]: row["queued"] for row in rows}

    def sinks(self) -> list[dict[str, Any]]:
        """What is known of each sink: its row, and how many runs of how many jobs fail while
        others are delivered (``alone_runs``, ``alone_jobs``), and how many went without their
        logs, and why the last of them."""
        alone = f"from delivery d{{}} where d.sink = sink.name and {ALONE}"
        return self._file.rows(
            f"select *, (select count(*) {alone.format('')}) as alone_runs, (select"
            f" count(distinct b.job) {alone.format(' join build b on b.id = d.build')})"
            " as alone_jobs, (select count(*) from delivery d where d.sink = sink.name"
            " and d.without_logs is not null) as without_logs, (select d.without_logs"
            " from delivery d where d.sink = sink.name and d.without_logs is not null"
            " order by d.id desc limit 1) as without_logs_why from sink"
        )

    def sink(self, name: str) -> dict[str, Any]:
        """The row of one sink, empty where it has none yet."""
        return next(iter(self._file.rows("select * from sink where name = ?", name)), {})

    def note_sink(self, name: str, **columns: int | str | None) -> None:
        """Keep what is new of a sink."""
        with self._file.write("note a sink") as conn:
            conn.execute("insert into sink (name) values (?) on conflict do nothing", (name,))
            for column, value in columns.items():
                conn.execute(f"update sink set {column} = ? where name = ?", (value, name))

    def configure(self, sinks: Sequence[str], at: int) -> None:
        """Note which sinks the config has: nothing is awaited of another, whose queue stays."""
        known = {row["name"]: bool(row["configured"]) for row in self.sinks()}
        queued = {row["sink"] for row in self.oldest_queued()}
        for name in {*sinks, *known, *queued}:
            if known.get(name, True) is not (name in sinks):
                self.note_sink(name, configured=int(name in sinks))
                (self._await_again if name in sinks else self._settle_without)(name, at)

    def drop(self, sink: str, at: int) -> int:
        """Forget what is queued for a sink. Returns how many deliveries that were."""
        self._settle_without(sink, at)
        with self._file.write("drop a queue") as conn:
            return conn.execute(
                "delete from delivery where sink = ? and state = 'queued'", (sink,)
            ).rowcount

    def _settle_without(self, sink: str, at: int) -> None:
        """Builds that wait for that sink alone count as settled, until it is back."""
        with self._file.write("settle builds") as conn:
            conn.execute(
                "update payload set settled_at = ?1 where settled_at is null and build in"
                " (select build from delivery where sink = ?2 and state = 'queued')"
                " and not exists (select 1 from delivery d where d.build = payload.build"
                f" and {AWAITED})",
                (at, sink),
            )
            for (job,) in conn.execute(
                "select distinct b.job from delivery d join build b on b.id = d.build"
                " where d.sink = ? and d.state = 'queued'", (sink,),
            ).fetchall():  # fmt: skip
                advance(conn, job)

    def _await_again(self, sink: str, _at: int) -> None:
        with self._file.write("await builds again") as conn:
            conn.execute(
                "update payload set settled_at = null where build in"
                " (select build from delivery where sink = ? and state = 'queued')",
                (sink,),
            )
            for (build,) in conn.execute(
                "select build from delivery where sink = ? and state = 'queued'",
                (sink,),
            ).fetchall():
                take_watermark_back(conn, build)
