"""The commands that set the program up: `init` and `register`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from poller.cli import AsJson, _config_path, _exit, _print, _settings, _told, app


@app.command()
def register(
    context: typer.Context,
    controller: Annotated[
        str | None,
        typer.Option("--controller", metavar="NAME", help="Needed where there are several."),
    ] = None,
    integration_id: Annotated[
        str | None,
        typer.Option("--integration-id", metavar="ID", help="Of SEI's Custom integration."),
    ] = None,
    satellite: Annotated[
        Path | None,
        typer.Option("--satellite", metavar="FILE", help="The satellite.yml that holds its id."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Get a controller's instance GUID from SEI, and the line to put into the config."""
    settings = _settings(context, secrets=False)
    path = _config_path(context)

    def get() -> int:
        import asyncio

        from poller.register import choose, integration, line_for
        from poller.register import register as get_guid

        one, sei = choose(settings, controller)
        chosen = integration(integration_id, satellite)
        guid = asyncio.run(get_guid(one, sei, chosen, os.environ))
        _print({"controller": one.name, "instance_guid": guid} if as_json else [line_for(guid)])
        hint = f'put it into the [[controllers]] table "{one.name}" of {path}; then: check'
        typer.echo(hint, err=True)
        return 0

    _exit(_told(get))
