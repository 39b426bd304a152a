"""The commands: parse, call one function, render. What is heavy is imported where it is used."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from poller import __version__
from poller.errors import ConfigError, PollerError

if TYPE_CHECKING:
    from poller.settings import Settings
    from poller.wiring import Line, OnTry

app = typer.Typer(
    name="sei-poller",
    help="Sends every completed Jenkins build to Harness SEI, exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 all done, 1 a finding, 64 usage, 65 no such job or build, 69 a server could"
        " not be reached, 73 ledger, 75 done in part, 78 config."
    ),
)
config_app = typer.Typer(help="The effective settings, and the JSON Schema.", no_args_is_help=True)
app.add_typer(config_app, name="config")

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ControllerName = Annotated[
    str | None, typer.Option("--controller", metavar="NAME", help="Needed where two share the job.")
]


def _version(show: bool) -> None:
    if show:
        typer.echo(f"sei-poller {__version__}, Python {sys.version.split()[0]}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Default: $SEI_POLLER_CONFIG, config/poller.toml, /etc/sei-poller/poller.toml.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""
    del version
    context.obj = config


@app.command()
def run(context: typer.Context) -> None:
    """The service: poll on schedule, deliver, until SIGTERM or SIGINT."""
    settings = _settings(context)

    from poller.status.metrics import Metrics

    metrics = Metrics(settings)

    async def service(line: Line) -> int:
        from poller.service import Service
        from poller.status.server import serving

        async with serving(settings, metrics, clock):
            await Service(line, clock, metrics).run()
        return 0

    _exit(_locked(settings, service, metrics.requests_to))


@app.command()
def once(context: typer.Context, as_json: AsJson = False) -> None:
    """One cycle of every controller, then the outbox; for cron or a timer."""
    settings = _settings(context)

    async def cycle(line: Line) -> int:
        from poller.once import once as poll_once
        from poller.progress import Progress
        from poller.render import once_json, once_lines

        with Progress(sys.stderr) as progress:
            done = await poll_once(
                line, clock, on_collected=progress.collected, on_settled=progress.settled
            )
        _print(once_json(done) if as_json else once_lines(done))
        for hint in once_hints(done):
            typer.echo(hint, err=True)
        return done.exit_code

    from poller.render import once_hints

    _exit(_locked(settings, cycle))


@app.command()
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Config, ledger, reachability, token rights, wfapi, SEI key and GUID: one line each."""
    settings = _settings(context)

    async def look(line: Line) -> int:
        from poller.check import check as check_all
        from poller.check import exit_code

        findings = await check_all(line, dict(os.environ), clock)
        _print([f.json() for f in findings] if as_json else [f.text() for f in findings])
        return exit_code(findings)

    _exit(_with_line(settings, look))


@app.command()
def preview(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The full name, as in fullName.")],
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1)],
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> None:
    """The payload of one build as it would go out; sent nowhere, stored nowhere."""
    settings = _settings(context)

    async def show(line: Line) -> int:
        from poller.preview import pretty
        from poller.preview import preview as preview_run
        from poller.sei.mapping import Skip

        name, body = await preview_run(line.watched, line.ledger, job, number, controller)
        if isinstance(body, Skip):
            _print(
                {"controller": name, "skip": body.reason}
                if as_json
                else [f"skipped: {body.reason}"]
            )
        else:
            typer.echo(body.decode() if as_json else pretty(body))
        return 0

    _exit(_with_line(settings, show))


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Per controller: last poll, lag, builds in flight, queued, delivered, rejected, skipped."""
    settings = _settings(context)

    def show() -> int:
        from poller.ledger import Ledger
        from poller.status.summary import lines, summary

        ledger = Ledger(Path(settings.ledger.path), read_only=True)
        try:
            status = summary(settings, ledger, clock())
        finally:
            ledger.close()
        _print(status if as_json else lines(status))
        return 0

    _exit(_told(show))


@app.command()
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the simulated servers running at the end.")
    ] = False,
) -> None:
    """A simulated Jenkins and SEI on loopback, and the whole story on them."""
    from poller.demo.story import tell

    _exit(_told(lambda: tell(serve=serve)))


@config_app.command("show")
def config_show(context: typer.Context, as_json: AsJson = False) -> None:
    """The effective settings, without secrets."""
    from poller.config import show

    del as_json  # it is JSON either way
    settings = _settings(context)
    _print(show(settings))


@config_app.command("schema")
def config_schema() -> None:
    """The JSON Schema of the config file."""
    from poller.config import schema

    _print(schema())


def clock() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _settings(context: typer.Context) -> Settings:
    """The config, with every secret readable; else all the reasons, and exit 78."""
    from poller.config import check_secrets, find, load

    def read() -> Settings:
        path = find(context.obj, os.environ)
        settings = load(path, os.environ)
        if missing := check_secrets(settings, os.environ):
            raise ConfigError([f"{path}: {finding}" for finding in missing])
        return settings

    if context.parent is not None and context.parent.info_name == "config":
        context.obj = context.find_root().obj
    return _told(read)


def _locked(
    settings: Settings,
    work: Callable[[Line], Coroutine[Any, Any, int]],
    requests_to: Callable[[str], OnTry | None] | None = None,
) -> int:
    from poller.lock import only_one

    def held() -> int:
        path = Path(settings.ledger.path)
        with only_one(path):
            return _with_line(settings, work, requests_to)

    return _told(held)


def _with_line(
    settings: Settings,
    work: Callable[[Line], Coroutine[Any, Any, int]],
    requests_to: Callable[[str], OnTry | None] | None = None,
) -> int:
    import asyncio

    from poller.journal import configure
    from poller.wiring import no_one, open_line

    configure()

    async def main() -> int:
        async with open_line(settings, os.environ, clock(), requests_to or no_one) as line:
            return await work(line)

    return _told(lambda: asyncio.run(main()))


def _told(work: Callable[[], T]) -> T:
    """What ``work`` returns; an error of ours is told in one line, with its cure and exit code."""
    try:
        return work()
    except PollerError as error:
        typer.echo(f"sei-poller: {error}", err=True)
        if error.hint:
            typer.echo(f"  {error.hint}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _print(what: object) -> None:
    if isinstance(what, list) and what and all(isinstance(line, str) for line in what):
        for line in what:
            typer.echo(line)
    else:
        typer.echo(json.dumps(what, indent=2, ensure_ascii=False))


def _exit(code: int) -> NoReturn:
    raise typer.Exit(code)
