"""What m012_failures makes: logs of failed steps, the first cause of a failure, failed tests.

The statements are part of a migration: once released they never change.
"""

from __future__ import annotations

STATEMENTS = (
    """
    create table step_log (
        build integer not null references build,
        place integer not null,         -- from 0: what failed first comes first
        stage text not null,            -- Jenkins' id of the stage
        stage_name text not null,
        step text,                      -- Jenkins' id of the step; null: the log of the stage
        step_name text not null,
        result text not null,
        source text not null,           -- key of a plugin of Jenkins, or console
        at integer not null,            -- epoch ms: when it was read
        size integer not null,          -- bytes of what was read, clean
        left_out integer not null,      -- bytes of it that are not kept
        absent text,                    -- why it, or the rest of it, could not be had
        text blob,                      -- zlib; null where none is kept
        primary key (build, place)
    ) strict
    """,
    "create index step_log_at on step_log (at)",
    """
    create table failure (
        build integer primary key references build,
        at integer not null,            -- epoch ms
        category text not null,
        cause text not null,            -- the line that explains it
        stage text,                     -- Jenkins' id of the stage; null: not known
        stage_name text not null,
        step text,
        step_name text not null,
        place integer,                  -- of the step log that has the line; null: another text
        line integer                    -- from 1; in the step log, else in the console log
    ) strict
    """,
    "create index failure_at on failure (at)",
    """
    create table test_failure (
        build integer not null references build,
        place integer not null,         -- from 0, in the order of the report
        at integer not null,            -- epoch ms
        suite text not null,
        class_name text not null,
        name text not null,
        status text not null,           -- FAILED, or REGRESSION: it passed in the build before
        duration integer not null,      -- milliseconds
        message text not null,
        trace blob,                     -- zlib; null where there is none
        primary key (build, place)
    ) strict
    """,
    "create index test_failure_at on test_failure (at)",
    """
    create view failures as select
        c.name as controller, j.full_name as job, b.generation, b.number, b.result,
        strftime('%Y-%m-%dT%H:%M:%fZ', b.timestamp / 1000.0, 'unixepoch') as started_at,
        nullif(f.stage_name, '') as stage, nullif(f.step_name, '') as step, f.cause, f.category,
        f.line
    from failure f join build b on b.id = f.build join job j on j.id = b.job
    join controller c on c.id = j.controller
    """,
    """
    create view test_failures as select
        c.name as controller, j.full_name as job, b.generation, b.number,
        strftime('%Y-%m-%dT%H:%M:%fZ', b.timestamp / 1000.0, 'unixepoch') as started_at,
        t.suite, t.class_name, t.name, t.status, t.duration as duration_ms, t.message
    from test_failure t join build b on b.id = t.build join job j on j.id = b.job
    join controller c on c.id = j.controller
    """,
)
