"""What m010_delivery makes: each delivery's own tries, fair turns in the queue, what is known of a
receiver. Once released it never changes."""

from __future__ import annotations

STATEMENTS = (
    "alter table delivery add column tries integer not null default 0",  # that failed
    "alter table delivery add column next_try integer not null default 0",  # epoch ms
    "alter table delivery add column failing_since integer",  # epoch ms: its first failure
    # Its build had ended long before it was queued: a backfill, or a first poll.
    "alter table delivery add column history integer not null default 0",
    "drop index delivery_queued",
    "create index delivery_untried on delivery (sink, controller, history, id)"
    " where state = 'queued' and tries = 0",
    "create index delivery_tried on delivery (sink, next_try, tries)"
    " where state = 'queued' and tries > 0",
    "alter table sink add column configured integer not null default 1",
    "alter table sink add column next_request integer not null default 0",  # epoch ms: request_rate
    "alter table sink add column json_from text",  # the address that has answered with JSON
    "alter table sink add column first_yes text",  # its answer to the first run that it took
    "alter table sink add column pass_at integer",  # epoch ms: when this pass over a queue began
    "alter table sink add column pass_delivered integer",  # those delivered by then
    """
    create table instance (             -- whether SEI knows a controller's instance GUID
        controller text primary key,    -- its name
        guid text not null,
        asked_at integer not null,      -- epoch ms
        known integer not null,
        problem text,                   -- why not
        waits integer not null          -- so its runs do
    ) strict
    """,
    "create trigger tally_delivery_delete after delete on delivery begin"
    " update tally set count = count - 1 where controller = old.controller"
    "  and sink = old.sink and state = old.state; end",
)
