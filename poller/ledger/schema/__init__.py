"""The ledger's schema, one migration after the other; a released one never changes."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from poller.ledger.schema.counts import STATEMENTS as _M005
from poller.ledger.schema.iacm import STATEMENTS as _M006

migrations = Migrations("jenkins-sei-poller")


@migrations()
def m001_ledger(db: Database) -> None:
    """Controllers, jobs, one row a build, one row a delivery, and the payloads not yet settled."""
    for statement in (
        """
        create table controllers (
            id integer primary key,
            name text not null unique,
            since integer not null,         -- epoch ms: builds that started before are not ours
            depth integer,                  -- levels of the item tree, null before the first look
            jobs integer not null default 0,
            last_poll integer,
            last_success integer,
            last_error text
        ) strict
        """,
        """
        create table jobs (
            id integer primary key,
            controller integer not null references controllers,
            full_name text not null,
            class text not null,
            generation integer not null default 0,
            base integer not null default 0,        -- added to a build's number at SEI
            examined integer not null default 0,    -- every build up to here is known
            watermark integer not null default 0,   -- every build up to here is settled
            next_build_number integer,              -- as Jenkins showed it at the last collection
            newest_number integer,
            newest_timestamp integer,
            failures integer not null default 0,    -- collections that failed in a row
            retry_at integer not null default 0,    -- epoch ms
            unique (controller, full_name)
        ) strict
        """,
        """
        create table builds (
            id integer primary key,
            job integer not null references jobs,
            generation integer not null,
            number integer not null,
            timestamp integer not null,     -- epoch ms
            duration integer not null,      -- ms
            result text,                    -- Jenkins' own
            state text not null check (state in ('in_flight', 'collected', 'skipped')),
            reason text,                    -- why it was skipped
            unique (job, generation, number)
        ) strict
        """,
        "create index builds_in_flight on builds (job) where state = 'in_flight'",
        """
        create table deliveries (
            id integer primary key,
            build integer not null references builds,
            sink text not null,
            state text not null check (state in ('queued', 'delivered', 'rejected')),
            at integer not null,            -- epoch ms: queued, then settled
            status integer,                 -- HTTP status of the last answer
            answer text,                    -- the receiver's own words, of a rejection
            unique (build, sink)
        ) strict
        """,
        "create index deliveries_queued on deliveries (sink, id) where state = 'queued'",
        "create index deliveries_rejected on deliveries (sink, id) where state = 'rejected'",
        """
        create table payloads (
            build integer primary key references builds,
            body blob not null,             -- zlib
            settled_at integer              -- epoch ms; null while some delivery is queued
        ) strict
        """,
        "create index payloads_settled on payloads (settled_at) where settled_at is not null",
        """
        create table sinks (
            name text primary key,
            last_success integer,
            last_error text,
            last_error_at integer
        ) strict
        """,
    ):
        db.conn.execute(statement)


@migrations()
def m002_lineage(db: Database) -> None:
    """What tells a build from every other; counts that need no counting; views for readers.

    Tables have singular names from here on: the plural ones are the views, which are a promise.
    """
    for table in ("controllers", "jobs", "builds", "deliveries", "payloads", "sinks"):
        singular = {"deliveries": "delivery"}.get(table, table.removesuffix("s"))
        db.conn.execute(f"alter table {table} rename to {singular}")
    for statement in (
        "alter table controller add column session text",  # X-Jenkins-Session
        "alter table controller add column identity text",  # X-Instance-Identity
        "alter table controller add column shrunk_at integer",  # since when most jobs are missing
        "alter table job add column newest_queue_id integer",
        "alter table job add column gaps integer not null default 0",  # numbers never seen
        "alter table job add column checked_at integer not null default 0",
        "alter table job add column missing integer not null default 0",  # at the last look
        "alter table build add column queue_id integer",
        "alter table build add column build_number integer",  # as SEI has it
        "update build set build_number = number + (select base from job where id = build.job)"
        " where generation = (select generation from job where id = build.job)",
        "alter table delivery add column controller integer not null default 0",
        "update delivery set controller = (select j.controller from build b"
        " join job j on j.id = b.job where b.id = delivery.build)",
        "drop index builds_in_flight",
        "drop index deliveries_queued",
        "drop index deliveries_rejected",
        "drop index payloads_settled",
        "create index build_in_flight on build (job) where state = 'in_flight'",
        "create index build_started on build (timestamp, number)",
        "create index delivery_queued on delivery (sink, id) where state = 'queued'",
        "create index delivery_oldest on delivery (sink, controller, at) where state = 'queued'",
        "create index delivery_rejected on delivery (sink, id) where state = 'rejected'",
        "create index payload_settled on payload (settled_at) where settled_at is not null",
        """
        create table backfill (             -- the window of a job's history that is done
            job integer primary key references job,
            generation integer not null,
            since integer not null,         -- epoch ms
            until integer not null
        ) strict
        """,
        """
        create table tally (                -- how many builds and deliveries, kept by the triggers
            controller integer not null references controller,
            sink text not null,             -- empty: of the builds themselves
            state text not null,            -- of a skipped build with its reason
            count integer not null,
            primary key (controller, sink, state)
        ) strict, without rowid
        """,
        "insert into tally select j.controller, '', " + _BUILD_STATE.format("b") + ", count(*)"
        " from build b join job j on j.id = b.job group by 1, 3",
        "insert into tally select controller, sink, state, count(*) from delivery group by 1, 2, 3",
        _counting("build", "insert", "new", 1),
        _counting("build", "update of state, reason", "old", -1),
        _counting("build", "update of state, reason", "new", 1),
        _counting("delivery", "insert", "new", 1),
        _counting("delivery", "update of state", "old", -1),
        _counting("delivery", "update of state", "new", 1),
        *_M002_VIEWS,
    ):
        db.conn.execute(statement)


@migrations()
def m003_lacking(db: Database) -> None:
    """What runs were sent without."""
    db.conn.execute(
        """
        create table lacking (
            build integer primary key references build,
            why text not null               -- one line each
        ) strict
        """
    )


_BUILD_STATE = (
    "case when {0}.state = 'skipped' then 'skipped: ' || coalesce({0}.reason, '')"
    " else {0}.state end"
)


def _counting(table: str, event: str, row: str, count: int) -> str:
    """The trigger that counts the ``row`` (old, new) of an event."""
    name = f"tally_{table}_{event.split()[0]}_{row}"
    key = f"{row}.controller, {row}.sink, {row}.state"
    if table == "build":
        key = f"(select controller from job where id = {row}.job), '', {_BUILD_STATE.format(row)}"
    return (
        f"create trigger {name} after {event} on {table} begin"
        f" insert into tally values ({key}, {count}) on conflict do update"
        f" set count = count + ({count}); end"
    )


def _iso(column: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')"


_M002_VIEWS = (
    f"""
    create view jobs as select
        c.name as controller, j.full_name as job, j.class, j.generation, j.watermark,
        j.next_build_number, j.gaps,
        {_iso("nullif(j.checked_at, 0)")} as reconciled_at
    from job j join controller c on c.id = j.controller
    """,
    f"""
    create view job_runs as select
        c.name as controller, j.full_name as job, b.generation, b.number, b.build_number,
        {_iso("nullif(b.timestamp, 0)")} as started_at, b.timestamp as started_ms,
        b.duration as duration_ms, b.result, b.state, b.reason
    from build b join job j on j.id = b.job join controller c on c.id = j.controller
    """,
    f"""
    create view deliveries as select
        c.name as controller, j.full_name as job, b.generation, b.number, d.sink, d.state,
        {_iso("d.at")} as at, d.status, d.answer
    from delivery d join build b on b.id = d.build join job j on j.id = b.job
    join controller c on c.id = d.controller
    """,
)
"""For `sqlite-utils`, Datasette and whoever reads: their names and columns are a promise."""


@migrations()
def m004_logs(db: Database) -> None:
    """Console logs and the index of their words."""
    for statement in (
        """
        create table log (
            build integer primary key references build,
            at integer not null,            -- epoch ms: when it was read
            size integer not null,          -- bytes of the whole log, clean
            left_out integer not null,      -- bytes of it that are not kept
            absent text,                    -- why it, or the rest of it, could not be had
            text blob                       -- zlib; null where none is kept
        ) strict
        """,
        "create index log_at on log (at)",
        # Words alone, no places and no text: measured, a quarter of what phrases would need
        # (bench/RESULTS.md). Its rowids are those of the builds.
        """
        create virtual table log_words using fts5 (
            text, content = '', columnsize = 0, detail = none,
            tokenize = 'unicode61 remove_diacritics 0'
        )
        """,
    ):
        db.conn.execute(statement)


@migrations()
def m005_page(db: Database) -> None:
    """Results by day and deliveries by hour, so that the status page counts no builds."""
    for statement in _M005:
        db.conn.execute(statement)


@migrations()
def m006_iacm(db: Database) -> None:
    """What IaCM is sent of a build."""
    for statement in _M006:
        db.conn.execute(statement)


@migrations()
def m007_breaker(db: Database) -> None:
    """Which servers are left alone, until when and why."""
    db.conn.execute(
        """
        create table breaker (
            kind text not null check (kind in ('controller', 'sink')),
            name text not null,
            state text not null check (state in ('closed', 'open', 'half-open')),
            since integer not null,         -- epoch ms
            failures integer not null,      -- in a row
            tries integer not null,         -- half-open ones that failed
            next_try integer,               -- epoch ms; null unless it is open
            why text not null,
            primary key (kind, name)
        ) strict, without rowid
        """
    )


@migrations()
def m008_standard_names(db: Database) -> None:
    """Names that need no explanation. SQLite rewrites what refers to them; the views stay."""
    for statement in (
        "alter table lacking rename to incomplete",
        "alter table job rename column base to number_offset",
    ):
        db.conn.execute(statement)
