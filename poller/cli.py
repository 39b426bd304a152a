"""The commands: parse, call one function, render. What is heavy is imported where it is used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poller.command_line import (
    AsJson,
    ControllerName,
    SinkName,
    app,
    clock,
    config_app,
    config_path,
    emit,
    end,
    is_iacm,
    locked,
    moment,
    read_settings,
    reader,
    refuse,
    say,
    told,
    with_line,
    write,
)

if TYPE_CHECKING:
    from poller.wiring import Line


@app.command()
def run(context: typer.Context) -> None:
    """The service: poll on schedule, deliver, until SIGTERM or SIGINT; SIGHUP reads the config."""
    read = reader(context)
    settings = told(read)

    def serve() -> int:
        import asyncio

        from poller.journal import configure
        from poller.lock import only_one
        from poller.reload import Daemon

        configure()
        with only_one(Path(settings.ledger.path)):
            asyncio.run(Daemon(read, os.environ, clock).run(settings))
        return 0

    end(told(serve))


@app.command()
def once(context: typer.Context, as_json: AsJson = False) -> None:
    """One cycle of every controller, then the outbox; for cron or a timer."""
    settings = read_settings(context)

    async def cycle(line: Line) -> int:
        from poller.once import once as poll_once
        from poller.progress import Progress
        from poller.render import once_json, once_lines

        with Progress(sys.stderr) as progress:
            done = await poll_once(
                line, clock, on_collected=progress.collected, on_settled=progress.settled
            )
        emit(once_json(done) if as_json else once_lines(done))
        for hint in once_hints(done):
            say(hint, err=True)
        return done.exit_code

    from poller.render import once_hints

    end(locked(settings, cycle))


@app.command()
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Config, ledger, the way to both servers, rights, jobs, rules, SEI key: one line each."""
    path = config_path(context)

    def look() -> int:
        from poller.check import check_file, exit_code

        findings = check_file(path, os.environ, clock)
        emit([f.json() for f in findings] if as_json else [f.text() for f in findings])
        return exit_code(findings)

    end(told(look))


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
    iacm = told(lambda: is_iacm(settings, sink))
    if iacm and explain:
        told(lambda: refuse("--explain is of SEI's run, not of --sink iacm"))

    async def show(line: Line) -> int:
        from poller.preview import pretty
        from poller.preview import preview as preview_run
        from poller.render_status import explain_json, explain_lines
        from poller.sei.mapping import Skip

        found = await preview_run(line.watched, line.ledger, job, number, controller)
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

    end(with_line(settings, show))


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Per controller: last poll, lag, builds in flight, queued, delivered, rejected, skipped."""
    settings = read_settings(context, secrets=False)

    def show() -> int:
        from poller.ledger import Ledger
        from poller.render_status import status_json, status_lines
        from poller.status.snapshot import incomplete, snapshot

        with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
            state = snapshot(ledger, settings, clock())
            status = status_json(state, incomplete(ledger, settings))
        emit(status if as_json else status_lines(status))
        return 0

    end(told(show))


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

    async def follow_it(line: Line) -> int:
        from poller.follow import follow as follow_log

        ours = [one for one in line.watched if controller in (None, one.name)]
        await follow_log(ours, job or "", number or 0, write, tail=tail)
        return 0

    def find(text: str) -> None:
        from poller.ledger import Ledger
        from poller.logs.search import search_logs
        from poller.render_status import hit_lines, hits_json

        start = moment(since, "--since", clock())
        with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
            hits, more = search_logs(ledger, text, start, glob, controller, limit)
        emit(hits_json(hits, more) if as_json else hit_lines(hits))
        if not as_json and not hits:
            say("nothing found", err=True)
        elif not as_json and more:
            say(f"there may be more than {limit}: see --limit", err=True)

    def show(name: str, build: int) -> None:
        from poller.ledger import Ledger
        from poller.read_logs import archived, last_lines
        from poller.render_status import archived_json

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
        told(lambda: find(search))
    elif search is not None or job is None or number is None:
        told(lambda: refuse("logs JOB NUMBER, or logs --search TEXT", "see `sei-poller logs -h`"))
    elif follow:
        end(with_line(settings, follow_it))
    else:
        told(lambda: show(job, number))


@app.command()
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the simulated servers running at the end.")
    ] = False,
) -> None:
    """A simulated Jenkins and SEI on loopback, and the whole story on them."""
    from poller.demo.story import tell

    end(told(lambda: tell(serve=serve)))


@config_app.command("show")
def config_show(context: typer.Context, as_json: AsJson = False) -> None:
    """The effective settings, without secrets."""
    from poller.config import show

    del as_json  # it is JSON either way
    settings = read_settings(context, secrets=False)
    emit(show(settings))


@config_app.command("schema")
def config_schema() -> None:
    """The JSON Schema of the config file."""
    from poller.config import schema

    emit(schema())
