"""`run` and `once`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from poller.cli.app import AsJson, app, read_settings, reader, with_context
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
def once(ctx: typer.Context, as_json: AsJson = False) -> int:
    """Poll every controller once, and deliver; for cron or a timer."""
    from poller.actions.once import once as poll_once
    from poller.cli.progress import ProgressBar
    from poller.cli.render import once_hints, once_json, once_lines
    from poller.ledger.locks import only_one

    settings = read_settings(ctx)
    with only_one(Path(settings.ledger.path)), ProgressBar(sys.stderr) as bar:
        done = with_context(settings, poll_once, events=bar, instead=True)
    emit(once_json(done) if as_json else once_lines(done))
    for hint in once_hints(done):
        say(hint, err=True)
    return done.exit_code
