"""What m009_pending makes: builds that are asked for again, each with its own tries; runs that were
sent without something and are looked at again. Once released it never changes."""

from __future__ import annotations

STATEMENTS = (
    """
    create table pending (
        job integer not null references job,
        generation integer not null,
        number integer not null,
        kind text not null check (
            kind in ('absent', 'incomplete', 'preliminary', 'unreadable', 'unfinished')
        ),
        tries integer not null,         -- looks so far
        since integer not null,         -- epoch ms: the first of them
        retry_at integer not null,      -- epoch ms: not before
        why text not null,
        primary key (job, generation, number)
    ) strict, without rowid
    """,
    "alter table incomplete add column reasons text not null default ''",  # a word each, by commas
    "alter table incomplete add column tries integer not null default 0",
    "alter table incomplete add column retry_at integer",  # epoch ms; null: not looked at again
    "alter table incomplete add column until integer not null default 0",  # epoch ms
    "create index incomplete_retry on incomplete (retry_at) where retry_at is not null",
    "alter table controller add column poll_began integer",  # epoch ms, of the last that succeeded
    "alter table controller add column self_checked_at integer",  # epoch ms
    "alter table controller add column newest_checked_at integer",  # epoch ms
    # The execution_id of what was sent before is of the ledger's own generation, too.
    "alter table build add column id_generation integer",
    "update build set id_generation = generation where generation > 0 and state = 'collected'",
)
