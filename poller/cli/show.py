"""The commands that only show: `check`, `preview`, `status`, `config`.

What is heavy is imported where it is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poller.cli.app import (
    AsJson,
    BuildNumber,
    ControllerName,
    SinkName,
    app,
    config_app,
    config_path,
    is_iacm,
    read_settings,
    with_context,
)
from poller.cli.output import emit, say
from poller.core.errors import UsageError
from poller.core.times import now_ms

if TYPE_CHECKING:
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
    number: BuildNumber,
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
        from poller.cli.render_preview import explain_json, explain_lines
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
    from poller.status.snapshot import failures, incomplete, snapshot, waiting_alone

    settings = read_settings(ctx, secrets=False)
    with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
        state = snapshot(ledger, settings, now_ms())
        alone, why = waiting_alone(ledger, state), failures(ledger, settings, state.now)
        status = status_json(state, incomplete(ledger, settings), alone, why)
    emit(status if as_json else status_lines(status))


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
