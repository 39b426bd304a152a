"""`run` and `once`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from poller.cli.app import AsJson, app, read_settings, reader, with_context
from poller.cli.output import emit, say
from poller.core.times import now_ms

if TYPE_CHECKING:
    from poller.context import AppContext


@app.command()
def run(ctx: typer.Context) -> None:
    """The service: poll on schedule, deliver, until SIGTERM or SIGINT; SIGHUP reads the config."""
    read = reader(ctx)
    settings = read()

    import asyncio

    from poller.core.log_output import configure
    from poller.ledger.locks import only_one
    from poller.service.serve import Daemon

    configure()
    with only_one(Path(settings.ledger.path)):
        asyncio.run(Daemon(read, os.environ, now_ms).run(settings))


@app.command()
def once(ctx: typer.Context, as_json: AsJson = False) -> int:
    """One cycle of every controller, then the outbox; for cron or a timer."""
    from poller.ledger.locks import only_one

    settings = read_settings(ctx)

    async def cycle(context: AppContext) -> int:
        from poller.actions.once import once as poll_once
        from poller.cli.progress import DeliveryBar
        from poller.cli.render import once_hints, once_json, once_lines

        with DeliveryBar(sys.stderr) as progress:
            done = await poll_once(context, now_ms, events=progress, on_settled=progress.settled)
        emit(once_json(done) if as_json else once_lines(done))
        for hint in once_hints(done):
            say(hint, err=True)
        return done.exit_code

    with only_one(Path(settings.ledger.path)):
        return with_context(settings, cycle, share=1.0)
