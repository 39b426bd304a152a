"""`run` and `once`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from poller.cli.app import AsJson, app, end, handle_errors, locked, read_settings, reader
from poller.cli.output import emit, say

if TYPE_CHECKING:
    from poller.context import AppContext


@app.command()
def run(context: typer.Context) -> None:
    """The service: poll on schedule, deliver, until SIGTERM or SIGINT; SIGHUP reads the config."""
    read = reader(context)

    def work() -> int:
        import asyncio

        from poller.core.log_output import configure
        from poller.service.serve import serve

        configure()
        asyncio.run(serve(read, os.environ))
        return 0

    end(handle_errors(work))


@app.command()
def once(context: typer.Context, as_json: AsJson = False) -> None:
    """One cycle of every controller, then the outbox; for cron or a timer."""
    settings = read_settings(context)

    async def cycle(line: AppContext) -> int:
        from poller.actions.once import once as poll_once
        from poller.cli.progress import DeliveryBar
        from poller.cli.render import once_json, once_lines

        with DeliveryBar(sys.stderr) as progress:
            done = await poll_once(line, events=progress)
        emit(once_json(done) if as_json else once_lines(done))
        for hint in once_hints(done):
            say(hint, err=True)
        return done.exit_code

    from poller.cli.render import once_hints

    end(locked(settings, cycle))
