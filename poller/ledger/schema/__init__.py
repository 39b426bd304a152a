"""The ledger's schema, one migration after the other; a released one never changes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlite_utils import Database, Migrations

from poller.ledger.schema.counts import STATEMENTS as COUNTS
from poller.ledger.schema.delivery import STATEMENTS as DELIVERY
from poller.ledger.schema.failures import STATEMENTS as FAILURES
from poller.ledger.schema.first import STATEMENTS as FIRST
from poller.ledger.schema.iacm import STATEMENTS as IACM
from poller.ledger.schema.lineage import STATEMENTS as LINEAGE
from poller.ledger.schema.pending import STATEMENTS as PENDING
from poller.ledger.schema.stages import STATEMENTS as STAGES

migrations = Migrations("jenkins-sei-poller")

_INCOMPLETE = (
    """
    create table lacking (
        build integer primary key references build,
        why text not null               -- one line each
    ) strict
    """,
)
_LOGS = (
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
    # Words alone, no positions and no text: measured, a quarter of what phrases would need
    # (bench/RESULTS.md). Its rowids are those of the builds.
    """
    create virtual table log_words using fts5 (
        text, content = '', columnsize = 0, detail = none,
        tokenize = 'unicode61 remove_diacritics 0'
    )
    """,
)
_BREAKERS = (
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
    """,
)
_STANDARD_NAMES = (
    "alter table lacking rename to incomplete",
    "alter table job rename column base to number_offset",
)

_WITHOUT_LOGS = (
    "alter table delivery add column without_logs text",  # why it went without logs that there are
    "create index delivery_without_logs on delivery (sink) where without_logs is not null",
)


def _run(db: Database, statements: Iterable[str]) -> None:
    for statement in statements:
        db.conn.execute(statement)


@migrations()
def m001_ledger(db: Database) -> None:
    """Controllers, jobs, one row a build, one row a delivery, and the payloads not yet settled."""
    _run(db, FIRST)


@migrations()
def m002_lineage(db: Database) -> None:
    """What tells a build from every other; counts that need no counting; views for readers."""
    _run(db, LINEAGE)


@migrations()
def m003_lacking(db: Database) -> None:
    """What runs were sent without."""
    _run(db, _INCOMPLETE)


@migrations()
def m004_logs(db: Database) -> None:
    """Console logs and the index of their words."""
    _run(db, _LOGS)


@migrations()
def m005_page(db: Database) -> None:
    """Results by day and deliveries by hour, so that the status page counts no builds."""
    _run(db, COUNTS)


@migrations()
def m006_iacm(db: Database) -> None:
    """What IaCM is sent of a build."""
    _run(db, IACM)


@migrations()
def m007_breaker(db: Database) -> None:
    """Servers whose circuit is open, until when and why."""
    _run(db, _BREAKERS)


@migrations()
def m008_standard_names(db: Database) -> None:
    """Names that need no explanation. SQLite rewrites what refers to them; the views stay."""
    _run(db, _STANDARD_NAMES)


@migrations()
def m009_pending(db: Database) -> None:
    """Builds that are asked for again, each with its own tries."""
    _run(db, PENDING)


@migrations()
def m010_delivery(db: Database) -> None:
    """Each delivery's own tries, fair turns in the queue, what is known of a receiver."""
    _run(db, DELIVERY)


@migrations()
def m011_stages(db: Database) -> None:
    """Who gives the stage trees of a controller; how stages are nested."""
    _run(db, STAGES)


@migrations()
def m012_failures(db: Database) -> None:
    """Logs of failed steps, the first cause of a failure, failed tests."""
    _run(db, FAILURES)


@migrations()
def m013_without_logs(db: Database) -> None:
    """Deliveries that went without the logs of their build."""
    _run(db, _WITHOUT_LOGS)
