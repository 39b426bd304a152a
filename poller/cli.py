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

from poller.errors import ConfigError, PollerError, UsageError

if TYPE_CHECKING:
    from poller.settings import Settings
    from poller.wiring import Line

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

SinkName = Annotated[
    str, typer.Option("--sink", metavar="NAME", help="sei, or iacm: what Harness IaCM gets.")
]


def _version(show: bool) -> None:
    if show:
        from poller.version import lines

        _print(lines())
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
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the versions that a bug report needs.",
        ),
    ] = False,
) -> None:
    """Options of every command."""
    del version
    context.obj = config


@app.command()
def run(context: typer.Context) -> None:
    """The service: poll on schedule, deliver, until SIGTERM or SIGINT; SIGHUP reads the config."""
    read = _reader(context)
    settings = _told(read)

    def serve() -> int:
        import asyncio

        from poller.journal import configure
        from poller.lock import only_one
        from poller.reload import Daemon

        configure()
        with only_one(Path(settings.ledger.path)):
            asyncio.run(Daemon(read, os.environ, clock).run(settings))
        return 0

    _exit(_told(serve))


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
    """Config, ledger, the way to both servers, rights, jobs, rules, SEI key: one line each."""
    path = _config_path(context)

    def look() -> int:
        from poller.check import check_file, exit_code

        findings = check_file(path, os.environ, clock)
        _print([f.json() for f in findings] if as_json else [f.text() for f in findings])
        return exit_code(findings)

    _exit(_told(look))


@app.command()
def preview(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The full name, as in fullName.")],
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1)],
    controller: ControllerName = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say where each field is from instead.")
    ] = False,
    sink: SinkName = "sei",
    as_json: AsJson = False,
) -> None:
    """The payload of one build as it would go out; sent nowhere, stored nowhere."""
    settings = _settings(context)
    iacm = _told(lambda: _is_iacm(settings, sink))
    if iacm and explain:
        _told(lambda: _refuse("--explain is of SEI's run, not of --sink iacm"))

    async def show(line: Line) -> int:
        from poller.explain import explain_json, explain_lines
        from poller.preview import pretty
        from poller.preview import preview as preview_run
        from poller.sei.mapping import Skip

        found = await preview_run(line.watched, line.ledger, job, number, controller)
        if iacm and not found.execution_body:
            skip = {"controller": found.controller, "skip": found.no_execution}
            _print(skip if as_json else [f"skipped: {found.no_execution}"])
            return 0
        if iacm:
            body = found.execution_body
            typer.echo(body.decode() if as_json else pretty(body))
            return 0
        if explain or isinstance(found.done, Skip):
            _print(explain_json(found) if as_json else explain_lines(found))
            return 0
        for why in found.lacking:
            typer.echo(f"goes without: {why}", err=True)
        typer.echo(found.body.decode() if as_json else pretty(found.body))
        return 0

    _exit(_with_line(settings, show))


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Per controller: last poll, lag, builds in flight, queued, delivered, rejected, skipped."""
    settings = _settings(context, secrets=False)

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
def logs(
    context: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="As in fullName.")] = None,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", min=1)] = None,
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help='Words, and "phrases", all in one log.'),
    ] = None,
    since: Annotated[str, typer.Option(metavar="WHEN", help="With --search.")] = "all",
    glob: Annotated[
        str | None, typer.Option("--job", metavar="GLOB", help="With --search.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="With --search.")] = 20,
    tail: Annotated[int | None, typer.Option(metavar="N", min=1, help="The last N lines.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="As it grows, from Jenkins itself.")
    ] = False,
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> None:
    """The archived console log of a build, or those in which something is."""
    settings = _settings(context)

    async def follow_it(line: Line) -> int:
        from poller.follow import follow as follow_log

        ours = [one for one in line.watched if controller in (None, one.name)]
        await follow_log(ours, job or "", number or 0, _write, tail=tail)
        return 0

    def ask() -> tuple[object, str]:
        from poller import logs_command

        if search is not None and job is None and not follow:
            return logs_command.search(
                settings, search, clock(),
                since=since, job=glob, controller=controller, limit=limit, as_json=as_json,
            )  # fmt: skip
        if search is not None or job is None or number is None:
            raise UsageError("logs JOB NUMBER, or logs --search TEXT", "see `sei-poller logs -h`")
        return logs_command.show(
            settings, job, number, controller=controller, tail=tail, as_json=as_json
        )

    if follow and search is None and job is not None and number is not None:
        _exit(_with_line(settings, follow_it))
    what, note = _told(ask)
    if isinstance(what, bytes):
        _write(what)
    else:
        _print(what)
    if note:
        typer.echo(note, err=True)


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
    settings = _settings(context, secrets=False)
    _print(show(settings))


@config_app.command("schema")
def config_schema() -> None:
    """The JSON Schema of the config file."""
    from poller.config import schema

    _print(schema())


def clock() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _settings(context: typer.Context, *, secrets: bool = True) -> Settings:
    """The config, with every secret readable where they are needed; else why not, and exit 78."""
    return _told(_reader(context, secrets=secrets))


def _reader(context: typer.Context, *, secrets: bool = True) -> Callable[[], Settings]:
    """Reads the config, and raises ConfigError for it and for each secret that can't be read."""
    from poller.config import check_secrets, load

    path = _config_path(context)

    def read() -> Settings:
        settings = load(path, os.environ)
        if secrets and (missing := check_secrets(settings, os.environ)):
            raise ConfigError([f"{path}: {finding}" for finding in missing])
        return settings

    return read


def _config_path(context: typer.Context) -> Path:
    """The config file, absolute. By hand, its credentials are the files beside it."""
    from poller.config import find

    path = _told(lambda: find(context.find_root().obj, os.environ)).absolute()
    os.environ.setdefault("CREDENTIALS_DIRECTORY", str(path.parent))
    return path


def _is_iacm(settings: Settings, sink: str) -> bool:
    """Whether a command is about IaCM. Raises UsageError for a sink that is none, or not there."""
    if sink == "iacm" and settings.harness is None:
        raise UsageError("--sink iacm: there is no [harness] in the config", "see the README")
    if sink not in ("sei", "iacm"):
        raise UsageError(f"--sink {sink}: there is no such sink", "there are: sei, iacm")
    return sink == "iacm"


def _refuse(message: str) -> None:
    raise UsageError(message)


def _locked(settings: Settings, work: Callable[[Line], Coroutine[Any, Any, int]]) -> int:
    from poller.lock import only_one

    def held() -> int:
        path = Path(settings.ledger.path)
        with only_one(path):
            return _with_line(settings, work)

    return _told(held)


def _with_line(settings: Settings, work: Callable[[Line], Coroutine[Any, Any, int]]) -> int:
    import asyncio

    from poller.journal import configure
    from poller.wiring import open_line

    configure()

    async def main() -> int:
        async with open_line(settings, os.environ, clock()) as line:
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


def _write(text: bytes) -> None:
    typer.echo(text, nl=False)
    sys.stdout.flush()


def _exit(code: int) -> NoReturn:
    raise typer.Exit(code)
