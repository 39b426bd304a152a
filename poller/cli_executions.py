"""`executions`: what Harness IaCM has on record."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from poller.command_line import AsJson, app, clock, end, read_settings, say, told
from poller.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from poller.harness.api import Api
    from poller.settings import Settings

executions_app = typer.Typer(
    help="What Harness IaCM has on record, of every pipeline.", no_args_is_help=True
)
app.add_typer(executions_app, name="executions")

When = Annotated[str | None, typer.Option(metavar="WHEN", help="An ISO 8601 time, or 90d.")]


@executions_app.command("list")
def list_executions(
    context: typer.Context,
    workspace: Annotated[str | None, typer.Option(metavar="ID", help="Of this one.")] = None,
    pipeline: Annotated[str | None, typer.Option(metavar="NAME", help="Of this one.")] = None,
    execution: Annotated[
        str | None, typer.Option(metavar="ID", help="Of this pipeline execution.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="As success; may be repeated.")
    ] = None,
    since: When = None,
    until: When = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many; default: all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Executions in IaCM's order, each page asked for when it is needed."""
    settings = read_settings(context, secrets=False)

    async def show(api: Api) -> int:
        from poller.harness.executions import executions
        from poller.harness.filters import filters
        from poller.harness.render import line, written

        chosen = filters(
            clock(), workspace=workspace, pipeline=pipeline, execution=execution,
            status=status or [], since=since, until=until,
        )  # fmt: skip
        count = 0
        if as_json:
            say("[", nl=False)
        async for one in executions(api, chosen, limit):
            say(written(one, first=count == 0) if as_json else line(one), nl=not as_json)
            count += 1
        if as_json:
            say("\n]" if count else "]")
        elif not count:
            say("none found", err=True)
        return 0

    end(_asked(settings, show))


@executions_app.command("get")
def get_execution(
    context: typer.Context,
    pipeline_execution_id: Annotated[
        str, typer.Argument(metavar="PIPELINE_EXECUTION_ID", help="SEI's execution_id, if ours.")
    ],
    stage_id: Annotated[str, typer.Argument(metavar="STAGE_ID", help="The stage's own id.")],
    as_json: AsJson = False,
) -> None:
    """One execution. Exit 65 when IaCM has none of these ids."""
    settings = read_settings(context, secrets=False)

    async def show(api: Api) -> int:
        from poller.errors import NoSuchBuild, NotFound
        from poller.harness.render import execution_json, lines

        try:
            found = await api.get(pipeline_execution_id, stage_id)
        except NotFound as error:
            raise NoSuchBuild(
                f"IaCM has no execution {pipeline_execution_id} {stage_id}", error.hint
            ) from None
        if as_json:
            import json

            say(json.dumps(execution_json(found), indent=2, ensure_ascii=False))
        else:
            say("\n".join(lines(found)))
        return 0

    end(_asked(settings, show))


def _asked(settings: Settings, work: Callable[[Api], Coroutine[object, object, int]]) -> int:
    import asyncio

    from poller.wiring import harness_api

    async def main() -> int:
        if settings.harness is None:
            raise ConfigError(
                ["[harness] is missing"], "it names url, account, org, project and the API key"
            )
        api = harness_api(settings.harness, os.environ)
        try:
            return await work(api)
        finally:
            await api.aclose()

    return told(lambda: asyncio.run(main()))
