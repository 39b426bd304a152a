"""Where stage trees come from, and how those of kept payloads are nested."""

STATEMENTS = (
    """
    create table stage_source (
        controller integer primary key references controller,
        source text not null,           -- key of a plugin; empty: none answers
        place text not null,            -- where it answers; without one, the setting that was tried
        session text not null,          -- X-Jenkins-Session of the Jenkins that was asked
        since integer not null,         -- epoch ms: since when it is that source
        builds integer not null default 0,  -- of pipelines, recorded since
        trees integer not null default 0    -- of those, with stages
    ) strict
    """,
    "alter table payload add column depths text",  # of its stages, in order; null: not nested
)
