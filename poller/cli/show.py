"""The commands: parse, call one function, render. What is heavy is imported where it is used."""

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
    clock,
    config_app,
    config_path,
    end,
    handle_errors,
    is_iacm,
    moment,
    read_settings,
    refuse,
    with_context,
)
from poller.cli.output import emit, say, write

if TYPE_CHECKING:
    from poller.context import AppContext


@app.command()
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Config, ledger, the way to both servers, rights, jobs, rules, SEI key: one line each."""
    path = config_path(context)

    def look() -> int:
        from poller.actions.check import check_file
        from poller.actions.check.finding import exit_code

        findings = check_file(path, os.environ, clock)
        emit([f.json() for f in findings] if as_json else [f.text() for f in findings])
        return exit_code(findings)

    end(handle_errors(look))


@app.command()
def preview(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The full name, as in fullName.")],
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1)],
    controller: ControllerName = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say where each field is from instead.")
    ] = False,
    sink: SinkName = "sei",
    as_json: AsJson = False,
) -> None:
    """The payload of one build as it would go out; sent nowhere, stored nowhere."""
    settings = read_settings(context)
    iacm = handle_errors(lambda: is_iacm(settings, sink))
    if iacm and explain:
        handle_errors(lambda: refuse("--explain is of SEI's run, not of --sink iacm"))

    async def show(line: AppContext) -> int:
        from poller.actions.preview import pretty
        from poller.actions.preview import preview as preview_run
        from poller.cli.render_status import explain_json, explain_lines
        from poller.mapping.job_run import Skip

        found = await preview_run(line.controllers, job, number, controller)
        if iacm and not found.execution_body:
            skip = {"controller": found.controller, "skip": found.no_execution}
            emit(skip if as_json else [f"skipped: {found.no_execution}"])
            return 0
        if iacm:
            body = found.execution_body
            say(body.decode() if as_json else pretty(body))
            return 0
        if explain or isinstance(found.done, Skip):
            emit(explain_json(found) if as_json else explain_lines(found))
            return 0
        for why in found.lacking:
            say(f"goes without: {why}", err=True)
        say(found.body.decode() if as_json else pretty(found.body))
        return 0

    end(with_context(settings, show))


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Per controller: last poll, lag, builds in flight, queued, delivered, rejected, skipped."""
    settings = read_settings(context, secrets=False)

    def show() -> int:
        from poller.cli.render_status import status_json, status_lines
        from poller.ledger import Ledger
        from poller.status.snapshot import incomplete, snapshot

        with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
            state = snapshot(ledger, settings, clock())
            status = status_json(state, incomplete(ledger, settings))
        emit(status if as_json else status_lines(status))
        return 0

    end(handle_errors(show))


@app.command()
def logs(
    context: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="As in fullName.")] = None,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", min=1)] = None,
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help='Words, and "phrases", all in one log.'),
    ] = None,
    since: Annotated[str, typer.Option(metavar="WHEN", help="With --search.")] = "all",
    glob: Annotated[
        str | None, typer.Option("--job", metavar="GLOB", help="With --search.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="With --search.")] = 20,
    tail: Annotated[int | None, typer.Option(metavar="N", min=1, help="The last N lines.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="As it grows, from Jenkins itself.")
    ] = False,
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> None:
    """The archived console log of a build, or those in which something is."""
    settings = read_settings(context)

    async def follow_it(line: AppContext) -> int:
        from poller.actions.follow import follow as follow_log

        ours = [one for one in line.controllers if controller in (None, one.name)]
        await follow_log(ours, job or "", number or 0, write, tail=tail)
        return 0

    def find(text: str) -> None:
        from poller.cli.render_status import hit_lines, hits_json
        from poller.ledger import Ledger
        from poller.ledger.log_search import search_logs

        start = moment(since, "--since", clock())
        with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
            hits, more = search_logs(ledger, text, start, glob, controller, limit)
        emit(hits_json(hits, more) if as_json else hit_lines(hits))
        if not as_json and not hits:
            say("nothing found", err=True)
        elif not as_json and more:
            say(f"there may be more than {limit}: see --limit", err=True)

    def show(name: str, build: int) -> None:
        from poller.actions.logs import archived, last_lines
        from poller.cli.render_status import archived_json
        from poller.ledger import Ledger

        with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
            log, text = archived(ledger, name, build, controller)
        text = last_lines(text, tail)
        if as_json:
            emit(archived_json(log, text))
            return
        write(text)
        if log.absent is not None:
            say(f"the log could not be read: {log.absent}", err=True)

    if search is not None and job is None and not follow:
        handle_errors(lambda: find(search))
    elif search is not None or job is None or number is None:
        handle_errors(
            lambda: refuse("logs JOB NUMBER, or logs --search TEXT", "see `sei-poller logs -h`")
        )
    elif follow:
        end(with_context(settings, follow_it))
    else:
        handle_errors(lambda: show(job, number))


@config_app.command("show")
def config_show(context: typer.Context, as_json: AsJson = False) -> None:
    """The effective settings, without secrets."""
    from poller.config.load import show

    del as_json  # it is JSON either way
    settings = read_settings(context, secrets=False)
    emit(show(settings))


@config_app.command("schema")
def config_schema() -> None:
    """The JSON Schema of the config file."""
    from poller.config.load import schema

    emit(schema())
