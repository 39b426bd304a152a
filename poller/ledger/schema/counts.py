"""What m005_page makes: results by day and deliveries by hour, kept by triggers.

The status page shows a week of a ledger of millions of builds without counting them. The statements
are part of a migration: once released they never change.
"""

from __future__ import annotations

from poller.core.times import DAY_MS, HOUR_MS

_LAST_MS = 4_102_444_800_000
"""The year 2100: what a Jenkins with a broken clock says beyond that is not counted."""

_DAY = f"(new.timestamp + new.duration) / {DAY_MS}"
_COUNTS = (
    "new.state <> 'in_flight' and new.result is not null"
    f" and new.timestamp between 1 and {_LAST_MS} and new.duration between 0 and {_LAST_MS}"
)
_FAILED = "(new.result = 'FAILURE')"


def _build_trigger(event: str, when: str) -> str:
    return (
        f"create trigger day_tally_{event.split()[0]} after {event} on build"
        f" when {_COUNTS}{when} begin"
        f" insert into result_day select {_DAY}, controller, new.result, 1 from job"
        "  where id = new.job on conflict do update set builds = builds + 1;"
        f" insert into job_day values ({_DAY}, new.job, 1, {_FAILED})"
        f"  on conflict do update set builds = builds + 1, failed = failed + {_FAILED}; end"
    )


def _delivery_trigger(event: str, when: str, column: str) -> str:
    return (
        f"create trigger hour_tally_{column} after {event} on delivery{when} begin"
        f" insert into delivery_hour (hour, controller, sink, {column})"
        f" values (new.at / {HOUR_MS}, new.controller, new.sink, 1)"
        f" on conflict do update set {column} = {column} + 1; end"
    )


STATEMENTS = (
    """
    create table result_day (           -- completed builds by the UTC day they ended on
        day integer not null,           -- days since the epoch
        controller integer not null references controller,
        result text not null,           -- Jenkins' own
        builds integer not null,
        primary key (day, controller, result)
    ) strict, without rowid
    """,
    """
    create table job_day (
        day integer not null,
        job integer not null references job,
        builds integer not null,
        failed integer not null,
        primary key (day, job)
    ) strict, without rowid
    """,
    "create index job_day_failed on job_day (day, job, failed, builds) where failed > 0",
    """
    create table delivery_hour (        -- deliveries by the hour of their first and last state
        hour integer not null,          -- hours since the epoch
        controller integer not null references controller,
        sink text not null,
        queued integer not null default 0,
        delivered integer not null default 0,
        rejected integer not null default 0,
        primary key (hour, controller, sink)
    ) strict, without rowid
    """,
    # What an older ledger has: when a settled delivery was queued is not known, so take the same.
    f"""
    insert into result_day select (b.timestamp + b.duration) / {DAY_MS}, j.controller, b.result,
        count(*) from build b join job j on j.id = b.job
        where {_COUNTS.replace("new.", "b.")} group by 1, 2, 3
    """,
    f"""
    insert into job_day select (timestamp + duration) / {DAY_MS}, job, count(*),
        sum(result = 'FAILURE') from build where {_COUNTS.replace("new.", "")} group by 1, 2
    """,
    f"""
    insert into delivery_hour select at / {HOUR_MS}, controller, sink, count(*),
        sum(state = 'delivered'), sum(state = 'rejected') from delivery group by 1, 2, 3
    """,
    _build_trigger("insert", ""),
    _build_trigger(
        "update of state, result", " and (old.state = 'in_flight' or old.result is null)"
    ),
    _delivery_trigger("insert", "", "queued"),
    _delivery_trigger(
        "update of state",
        " when new.state = 'delivered' and old.state <> 'delivered'",
        "delivered",
    ),
    _delivery_trigger(
        "update of state", " when new.state = 'rejected' and old.state <> 'rejected'", "rejected"
    ),
)
