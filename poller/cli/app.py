"""What every command begins and ends with: the config, the errors, and what is printed."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Coroutine
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from poller import __version__
from poller.cli.output import emit, say
from poller.core.errors import ConfigError, PollerError, UsageError

if TYPE_CHECKING:
    from poller.config.settings import Settings
    from poller.context import AppContext


app = typer.Typer(
    name="sei-poller",
    help="Sends every completed Jenkins build to Harness SEI.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 all done, 1 a finding, 64 usage, 65 no such job or build, 69 a server could"
        " not be reached, 70 a bug, 73 ledger, 75 done in part, 78 config."
    ),
)
config_app = typer.Typer(help="The effective settings, and the JSON Schema.", no_args_is_help=True)
app.add_typer(config_app, name="config")

BESIDE_THE_SERVICE = 0.5
"""Share of ``max_connections`` of a command that may run beside the service, which has all."""

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
        from poller.cli.app import version_lines

        emit(version_lines())
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


def clock() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def read_settings(context: typer.Context, *, secrets: bool = True) -> Settings:
    """The config, with every secret readable where they are needed; else why not, and exit 78."""
    return handle_errors(reader(context, secrets=secrets))


def reader(context: typer.Context, *, secrets: bool = True) -> Callable[[], Settings]:
    """Reads the config, and raises ConfigError for it and for each secret that can't be read."""
    from poller.config.load import check_secrets, load

    path = config_path(context)

    def read() -> Settings:
        settings = load(path, os.environ)
        if secrets and (missing := check_secrets(settings, os.environ)):
            raise ConfigError([f"{path}: {finding}" for finding in missing])
        return settings

    return read


def config_path(context: typer.Context) -> Path:
    """The config file, absolute. By hand, its credentials are the files beside it."""
    from poller.config.load import find

    path = handle_errors(lambda: find(context.find_root().obj, os.environ)).absolute()
    os.environ.setdefault("CREDENTIALS_DIRECTORY", str(path.parent))
    return path


def is_iacm(settings: Settings, sink: str) -> bool:
    """Whether a command is about IaCM. Raises UsageError for a sink that is none, or not there."""
    if sink == "iacm" and settings.harness is None:
        raise UsageError("--sink iacm: there is no [harness] in the config", "see the README")
    if sink not in ("sei", "iacm"):
        raise UsageError(f"--sink {sink}: there is no such sink", "there are: sei, iacm")
    return sink == "iacm"


def refuse(message: str, hint: str = "") -> None:
    raise UsageError(message, hint)


def moment(text: str, option: str, now: int) -> int:
    """A WHEN in epoch milliseconds. Raises UsageError, naming its option."""
    from poller.core.times import parse_when

    try:
        return parse_when(text, now)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None


def locked(settings: Settings, work: Callable[[AppContext], Coroutine[Any, Any, int]]) -> int:
    from poller.ledger.locks import only_one

    def held() -> int:
        path = Path(settings.ledger.path)
        with only_one(path):
            return with_context(settings, work, share=1.0)

    return handle_errors(held)


def with_context(
    settings: Settings,
    work: Callable[[AppContext], Coroutine[Any, Any, int]],
    *,
    share: float = BESIDE_THE_SERVICE,
) -> int:
    import asyncio

    from poller.context import open_context
    from poller.core.log_output import configure

    configure()

    async def main() -> int:
        async with open_context(settings, os.environ, clock=clock, share=share) as line:
            return await work(line)

    return handle_errors(lambda: asyncio.run(main()))


def handle_errors(work: Callable[[], T]) -> T:
    """What ``work`` returns; an error of ours is told in one line, with its cure and exit code."""
    try:
        return work()
    except PollerError as error:
        say(f"sei-poller: {error}", err=True)
        if error.hint:
            say(f"  {error.hint}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def end(code: int) -> NoReturn:
    raise typer.Exit(code)


PACKAGES = ("APScheduler", "httpx", "python-jenkins", "sqlite-utils")


def version_lines() -> list[str]:
    """The program, what it runs on, and the libraries that its work hangs on."""
    import sqlite3
    import ssl

    return [
        f"sei-poller {__version__}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" {' '.join(ssl.OPENSSL_VERSION.split()[:2])}, {platform.system()} {platform.release()}",
        ", ".join(f"{name} {_installed_version(name)}" for name in PACKAGES),
    ]


def _installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
