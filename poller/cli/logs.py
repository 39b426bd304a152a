"""`logs`: archived logs, what may have made a build fail, the search.

What is heavy is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poller.cli.app import (
    AsJson,
    ControllerName,
    app,
    moment,
    read_settings,
    with_context,
)
from poller.cli.output import emit, say, write
from poller.core.build_key import MOST_BUILDS
from poller.core.errors import UsageError
from poller.core.times import now_ms

if TYPE_CHECKING:
    from poller.config.settings import Settings
    from poller.context import AppContext
    from poller.ledger import Ledger


@app.command()
def logs(
    ctx: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="As in fullName.")] = None,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", min=1, max=MOST_BUILDS)] = None,
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
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="The log of that stage's failed steps.")
    ] = None,
    step: Annotated[
        str | None, typer.Option(metavar="ID", help="The log of that failed step.")
    ] = None,
    cause: Annotated[
        bool, typer.Option("--cause", help="The one line that may explain why it failed.")
    ] = False,
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> None:
    """Show the archived log of a build or of a failed step, or search in all console logs."""
    from poller.ledger import Ledger

    settings = read_settings(ctx)
    of_steps = cause or stage is not None or step is not None
    if search is not None and job is None and not (follow or of_steps):
        start = moment(since, "--since", now_ms()) or 0
        with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
            _search(settings, ledger, (search, start, glob, controller, limit), as_json=as_json)
        return
    if search is not None or job is None or number is None or (follow and of_steps):
        raise UsageError("logs JOB NUMBER, or logs --search TEXT", "see `sei-poller logs -h`")
    if follow:
        _follow(settings, job, number, controller, tail)
        return
    of = (job, number, controller)
    with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
        if cause:
            emit(_cause(ledger, of, as_json=as_json))
        elif of_steps:
            _steps(ledger, of, (stage, step), tail, as_json=as_json)
        else:
            _console(ledger, of, tail, as_json=as_json)


def _console(
    ledger: Ledger, of: tuple[str, int, str | None], tail: int | None, *, as_json: bool
) -> None:
    from poller.actions.logs import archived, last_lines
    from poller.cli.render_logs import archived_json

    log, text = archived(ledger, *of)
    text = last_lines(text, tail)
    if as_json:
        emit(archived_json(log, text))
        return
    write(text)
    if log.read_error is not None:
        say(f"the log could not be read: {log.read_error}", err=True)


def _search(
    settings: Settings,
    ledger: Ledger,
    asked: tuple[str, int, str | None, str | None, int],
    *,
    as_json: bool,
) -> None:
    from poller.cli.render_logs import hit_lines, hits_json
    from poller.ledger.logs.search import search_logs
    from poller.status.server import page_address

    hits, more = search_logs(ledger, *asked)
    page = page_address(settings)
    if as_json or hits:
        emit(hits_json(hits, more, page) if as_json else hit_lines(hits, page))
    if not as_json and not hits:
        say("nothing found", err=True)
    elif not as_json and more:
        say(f"there may be more than {asked[-1]}: see --limit", err=True)


def _cause(
    ledger: Ledger, of: tuple[str, int, str | None], *, as_json: bool
) -> dict[str, Any] | list[str]:
    from poller.actions.logs import cause_of, find_recorded
    from poller.cli.render_logs import cause_json, cause_lines

    found = cause_of(ledger, find_recorded(ledger, *of), f"{of[0]} #{of[1]}")
    return cause_json(found) if as_json else cause_lines(found)


def _steps(
    ledger: Ledger,
    of: tuple[str, int, str | None],
    part: tuple[str | None, str | None],
    tail: int | None,
    *,
    as_json: bool,
) -> None:
    from poller.actions.logs import find_recorded, step_logs
    from poller.cli.render_logs import step_logs_json, step_logs_text, step_words

    kept = step_logs(ledger, find_recorded(ledger, *of), f"{of[0]} #{of[1]}", part, tail)
    if as_json:
        emit(step_logs_json(kept))
        return
    write(step_logs_text([one for one in kept if one.text]))
    for one in kept:
        if one.row.read_error is not None:
            words = step_words(one.row.of)
            say(f"the log of {words} could not be read: {one.row.read_error}", err=True)


def _follow(
    settings: Settings, job: str, number: int, controller: str | None, tail: int | None
) -> None:
    async def work(context: AppContext) -> int:
        from poller.actions.follow import follow

        await follow(context.controllers, job, number, controller, write, tail=tail)
        return 0

    with_context(settings, work)
