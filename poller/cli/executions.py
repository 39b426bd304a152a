"""`executions`: what Harness IaCM has on record."""

from __future__ import annotations

import contextlib
import json
import os
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from poller.cli.app import AsJson, When, app, read_settings, window
from poller.cli.output import emit, say
from poller.core.errors import ConfigError, NoSuchBuild, NotFound
from poller.core.escape import TEXT, clip
from poller.core.times import iso, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from poller.config.settings import Settings
    from poller.delivery.iacm_client import Execution, IacmClient


executions_app = typer.Typer(
    help="What Harness IaCM has on record, of every pipeline.", no_args_is_help=True
)
app.add_typer(executions_app, name="executions")


@executions_app.command("list")
def list_executions(
    ctx: typer.Context,
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
) -> int:
    """Executions in IaCM's order, each page asked for when it is needed."""
    settings = read_settings(ctx, secrets=False)
    start, end = window(since, until, now_ms())
    given = {
        "workspace": workspace,
        "pipeline_execution_id": execution,
        "status": ",".join(status or ()) or None,
        "pipeline_name": pipeline,
        "start_time": start,
        "end_time": end,
    }
    filters = {name: str(value) for name, value in given.items() if value is not None}

    async def show(client: IacmClient) -> int:
        from poller.delivery.iacm_client import executions

        count = 0
        if as_json:
            say("[", nl=False)
        async for one in executions(client, filters, limit):
            say(
                execution_text(one, first=count == 0) if as_json else execution_line(one),
                nl=not as_json,
            )
            count += 1
        if as_json:
            say("\n]" if count else "]")
        elif not count:
            say("none found", err=True)
        return 0

    return _with_client(settings, show)


@executions_app.command("get")
def get_execution(
    ctx: typer.Context,
    pipeline_execution_id: Annotated[
        str, typer.Argument(metavar="PIPELINE_EXECUTION_ID", help="SEI's execution_id, if ours.")
    ],
    stage_id: Annotated[str, typer.Argument(metavar="STAGE_ID", help="The stage's own id.")],
    as_json: AsJson = False,
) -> int:
    """One execution. Exit 65 when IaCM has none of these ids."""
    settings = read_settings(ctx, secrets=False)

    async def show(client: IacmClient) -> int:
        try:
            found = await client.get(pipeline_execution_id, stage_id)
        except NotFound as error:
            raise NoSuchBuild(
                f"IaCM has no execution {pipeline_execution_id} {stage_id}", error.hint
            ) from None
        if as_json:
            emit(execution_json(found))
        else:
            say("\n".join(execution_lines(found)))
        return 0

    return _with_client(settings, show)


def _with_client(
    settings: Settings, work: Callable[[IacmClient], Coroutine[object, object, int]]
) -> int:
    import asyncio

    from poller.context import iacm_client

    async def main() -> int:
        if settings.harness is None:
            raise ConfigError(
                ["[harness] is missing"], "it names url, account, org, project and the API key"
            )
        async with contextlib.aclosing(iacm_client(settings.harness, os.environ)) as client:
            return await work(client)

    return asyncio.run(main())


LAST_MS = 253_402_300_799_000
"""The end of the year 9999: what no calendar has, is shown as the number that it is."""


def execution_json(execution: Execution) -> dict[str, Any]:
    """The API's own names; ``created`` is ISO 8601, null where IaCM says none."""
    return {**msgspec.structs.asdict(execution), "created": _time(execution.created)}


def execution_text(execution: Execution, *, first: bool) -> str:
    """One element of a JSON array that is written while it comes."""
    text = json.dumps(execution_json(execution), indent=2, ensure_ascii=False)
    return ("\n" if first else ",\n") + textwrap.indent(text, "  ")


def execution_line(execution: Execution) -> str:
    """One line: when, how, which workspace and pipeline, and the two ids that `get` takes."""
    shown = (
        _time(execution.created), execution.status, execution.workspace,
        execution.pipeline, execution.pipeline_execution_id, execution.pipeline_stage_id,
    )  # fmt: skip
    return "  ".join(_one_line(text or "-") for text in shown)


def execution_lines(execution: Execution) -> list[str]:
    """A line a field."""
    fields = execution_json(execution)
    return [f"{name}: {_one_line(str(value))}" for name, value in fields.items() if value]


def _one_line(text: str) -> str:
    """Nothing in an answer moves the terminal's cursor."""
    return " ".join(clip(text, TEXT).split())


def _time(at: int | None) -> str | None:
    if not at:
        return None
    return iso(at) if 0 < at <= LAST_MS else str(at)
