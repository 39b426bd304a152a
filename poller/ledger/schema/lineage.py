"""What m002_lineage makes: what tells a build from every other, counts that need no counting, and
views for readers. Once released it never changes.

Tables have singular names from here on: the plural ones are the views, which are a promise.
"""

from __future__ import annotations

_SINGULAR = {
    "controllers": "controller",
    "jobs": "job",
    "builds": "build",
    "deliveries": "delivery",
    "payloads": "payload",
    "sinks": "sink",
}

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


_VIEWS = (
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

STATEMENTS = (
    *(f"alter table {plural} rename to {one}" for plural, one in _SINGULAR.items()),
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
    *_VIEWS,
)
