"""The commands that only show: `check`, `preview`, `status`, `logs`, `config`.

What is heavy is imported where it is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poller.cli.app import (
    AsJson,
    ControllerName,
    SinkName,
    app,
    config_app,
    config_path,
    is_iacm,
    moment,
    read_settings,
    with_context,
)
from poller.cli.output import emit, say, write
from poller.core.errors import UsageError
from poller.core.times import now_ms

if TYPE_CHECKING:
    from poller.config.settings import Settings
    from poller.context import AppContext


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> int:
    """Check config, ledger, the way to the servers, rights, jobs, rules, keys: one line each."""
    from poller.actions.check import check_file
    from poller.actions.check.finding import exit_code

    results = check_file(config_path(ctx), os.environ, now_ms)
    emit([one.json() for one in results] if as_json else [one.text() for one in results])
    return exit_code(results)


@app.command()
def preview(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The full name, as in fullName.")],
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1)],
    controller: ControllerName = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show where each field is from instead.")
    ] = False,
    sink: SinkName = "sei",
    as_json: AsJson = False,
) -> int:
    """Show the payload of one build as it would go out; nothing is sent or stored."""
    settings = read_settings(ctx)
    iacm = is_iacm(settings, sink)
    if iacm and explain:
        raise UsageError("--explain explains SEI's run: leave out --sink iacm")

    async def show(context: AppContext) -> int:
        from poller.actions.preview import preview as preview_run
        from poller.cli.render_status import explain_json, explain_lines
        from poller.mapping.payload import pretty
        from poller.mapping.rules import Skip

        found = await preview_run(context.controllers, job, number, controller)
        body = found.execution_body if iacm else found.body
        if iacm and not body:
            skip = {"controller": found.controller, "skip": found.no_execution}
            emit(skip if as_json else [f"skipped: {found.no_execution}"])
        elif not iacm and (explain or isinstance(found.done, Skip)):
            emit(explain_json(found) if as_json else explain_lines(found))
        else:
            for why in () if iacm else found.incomplete:
                say(f"goes without: {why}", err=True)
            say(body.decode() if as_json else pretty(body))
        return 0

    return with_context(settings, show)


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show each controller: last poll, lag, builds in flight, queued, delivered, rejected."""
    from poller.cli.render_status import status_json, status_lines
    from poller.ledger import Ledger
    from poller.status.snapshot import incomplete, snapshot, waiting_alone

    settings = read_settings(ctx, secrets=False)
    with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
        state = snapshot(ledger, settings, now_ms())
        alone = waiting_alone(ledger, state)
        status = status_json(state, incomplete(ledger, settings), alone)
    emit(status if as_json else status_lines(status))


@app.command()
def logs(
    ctx: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="As in fullName.")] = None,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", min=1)] = None,
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help='Words, and "phrases", all in one log.'),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="With --search: builds since then.")
    ] = "all",
    glob: Annotated[
        str | None, typer.Option("--job", metavar="GLOB", help="With --search: over fullName.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="With --search: most hits.")] = 20,
    tail: Annotated[int | None, typer.Option(metavar="N", min=1, help="The last N lines.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Follow it as it grows, from Jenkins itself.")
    ] = False,
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> None:
    """Show the archived console log of a build, or search in all of them."""
    from poller.actions.logs import archived, last_lines
    from poller.cli.render_status import archived_json, hit_lines, hits_json
    from poller.ledger import Ledger
    from poller.ledger.logs.search import search_logs

    settings = read_settings(ctx)
    ledger_path = Path(settings.ledger.path)
    if search is not None and job is None and not follow:
        start = moment(since, "--since", now_ms()) or 0
        with Ledger(ledger_path, read_only=True) as ledger:
            hits, more = search_logs(ledger, search, start, glob, controller, limit)
        emit(hits_json(hits, more) if as_json else hit_lines(hits))
        if not as_json and not hits:
            say("nothing found", err=True)
        elif not as_json and more:
            say(f"there may be more than {limit}: see --limit", err=True)
        return
    if search is not None or job is None or number is None:
        raise UsageError("logs JOB NUMBER, or logs --search TEXT", "see `sei-poller logs -h`")
    if follow:
        _follow(settings, job, number, controller, tail)
        return
    with Ledger(ledger_path, read_only=True) as ledger:
        log, text = archived(ledger, job, number, controller)
    text = last_lines(text, tail)
    if as_json:
        emit(archived_json(log, text))
        return
    write(text)
    if log.read_error is not None:
        say(f"the log could not be read: {log.read_error}", err=True)


def _follow(
    settings: Settings, job: str, number: int, controller: str | None, tail: int | None
) -> None:
    async def work(context: AppContext) -> int:
        from poller.actions.follow import follow

        await follow(context.controllers, job, number, controller, write, tail=tail)
        return 0

    with_context(settings, work)


@config_app.command("show")
def config_show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the effective settings, without secrets."""
    from poller.config.load import show

    del as_json  # it is JSON either way
    emit(show(read_settings(ctx, secrets=False)))


@config_app.command("schema")
def config_schema() -> None:
    """Show the JSON Schema of the config file."""
    from poller.config.load import schema

    emit(schema())
