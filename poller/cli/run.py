"""`run` and `once`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from poller.cli.app import AsJson, app, clock, end, handle_errors, locked, read_settings, reader
from poller.cli.output import emit, say

if TYPE_CHECKING:
    from poller.context import AppContext


@app.command()
def run(context: typer.Context) -> None:
    """The service: poll on schedule, deliver, until SIGTERM or SIGINT; SIGHUP reads the config."""
    read = reader(context)
    settings = handle_errors(read)

    def serve() -> int:
        import asyncio

        from poller.core.log_output import configure
        from poller.ledger.locks import only_one
        from poller.service.serve import Daemon

        configure()
        with only_one(Path(settings.ledger.path)):
            asyncio.run(Daemon(read, os.environ, clock).run(settings))
        return 0

    end(handle_errors(serve))


@app.command()
def once(context: typer.Context, as_json: AsJson = False) -> None:
    """One cycle of every controller, then the outbox; for cron or a timer."""
    settings = read_settings(context)

    async def cycle(line: AppContext) -> int:
        from poller.actions.once import once as poll_once
        from poller.cli.progress import DeliveryBar
        from poller.cli.render import once_json, once_lines

        with DeliveryBar(sys.stderr) as progress:
            done = await poll_once(line, clock, events=progress, on_settled=progress.settled)
        emit(once_json(done) if as_json else once_lines(done))
        for hint in once_hints(done):
            say(hint, err=True)
        return done.exit_code

    from poller.cli.render import once_hints

    end(locked(settings, cycle))
