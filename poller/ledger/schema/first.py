"""What m001_ledger makes. Once released it never changes."""

from __future__ import annotations

STATEMENTS = (
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
)
