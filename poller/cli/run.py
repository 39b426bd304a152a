"""`run`, `once` and `now`."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from poller.cli.app import (
    AsJson,
    OneController,
    app,
    check_controller,
    read_settings,
    reader,
    with_context,
)
from poller.cli.output import emit, say


@app.command()
def run(ctx: typer.Context) -> None:
    """The service: polls and delivers until SIGTERM or SIGINT; SIGHUP reads the config anew."""
    import asyncio

    from poller.core.log_output import configure
    from poller.service.serve import serve

    configure()
    asyncio.run(serve(reader(ctx), os.environ))


@app.command()
def once(
    ctx: typer.Context,
    ask_now: Annotated[
        bool, typer.Option("--now", help="Also what waits for its time to be tried again.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Poll every controller once, and deliver; for cron or a timer."""
    from poller.actions.once import once as poll_once
    from poller.cli.progress import ProgressBar
    from poller.cli.render import once_hints, once_json, once_lines
    from poller.ledger.locks import only_one

    settings = read_settings(ctx)
    with only_one(Path(settings.ledger.path)), ProgressBar(sys.stderr) as bar:
        done = with_context(settings, partial(poll_once, now=ask_now), events=bar, instead=True)
    emit(once_json(done) if as_json else once_lines(done))
    for hint in once_hints(done):
        say(hint, err=True)
    return done.exit_code


@app.command()
def now(ctx: typer.Context, controller: OneController = None, as_json: AsJson = False) -> int:
    """Have the running service ask at once for all that waits to be tried again. That is jobs that
    were put off, controllers and sinks whose circuit is open."""
    from poller.actions.now import ask_now

    settings = read_settings(ctx, secrets=False)
    check_controller(controller, [one.name for one in settings.controllers])
    done = ask_now(Path(settings.ledger.path), controller)
    emit(done if as_json else [done.said])
    return 0 if done.taken else 1
