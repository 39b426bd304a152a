"""What m006_iacm makes: what IaCM is sent of a build or why nothing is, counted by triggers.

The statements are part of a migration: once released they never change.
"""

from __future__ import annotations

STATEMENTS = (
    """
    create table execution (
        build integer primary key references build,
        body text,                      -- the JSON that is sent, the same for ever
        skipped text,                   -- why nothing is
        check ((body is null) <> (skipped is null))
    ) strict
    """,
    """
    create trigger tally_execution_insert after insert on execution when new.skipped is not null
    begin
        insert into tally select j.controller, 'iacm', 'skipped: ' || new.skipped, 1
        from build b join job j on j.id = b.job where b.id = new.build
        on conflict do update set count = count + 1;
    end
    """,
    """
    create trigger tally_execution_update_old after update of skipped on execution
    when old.skipped is not null begin
        update tally set count = count - 1
        where sink = 'iacm' and state = 'skipped: ' || old.skipped and controller =
        (select j.controller from build b join job j on j.id = b.job where b.id = old.build);
    end
    """,
    """
    create trigger tally_execution_update_new after update of skipped on execution
    when new.skipped is not null begin
        insert into tally select j.controller, 'iacm', 'skipped: ' || new.skipped, 1
        from build b join job j on j.id = b.job where b.id = new.build
        on conflict do update set count = count + 1;
    end
    """,
    """
    create view executions as select
        c.name as controller, j.full_name as job, b.generation, b.number,
        e.body ->> 'pipeline_execution_id' as pipeline_execution_id,
        e.body ->> 'pipeline_stage_id' as pipeline_stage_id,
        e.body ->> 'workspace' as workspace, d.state, e.skipped
    from execution e join build b on b.id = e.build join job j on j.id = b.job
    join controller c on c.id = j.controller
    left join delivery d on d.build = e.build and d.sink = 'iacm'
    """,
)
