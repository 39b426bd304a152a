"""What every command begins and ends with: the config, the errors, and what is printed."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from poller import __version__
from poller.cli.output import emit, say
from poller.core.build_key import MOST_BUILDS
from poller.core.errors import ConfigError, PollerError, UsageError
from poller.core.events import NO_EVENTS, Events

if TYPE_CHECKING:
    from poller.config.settings import Settings
    from poller.context import AppContext


GROUPS = {
    "Set up": ("install", "uninstall", "init", "register", "check", "preview"),
    "Run": ("once", "run", "status", "now"),
    "History": ("backfill", "reconcile"),
    "Look": ("logs", "executions", "config"),
    "Send again": ("rejected", "retry", "resend", "skip"),
}
"""The commands in the order in which they are needed; those of no group come last."""


class Commands(TyperGroup):
    """The commands: each returns its exit code, None for 0, or raises what went wrong."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the groups."""
        there = super().list_commands(ctx)
        grouped = [name for names in GROUPS.values() for name in names if name in there]
        return [*grouped, *(name for name in there if name not in grouped)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section a group; of each command the first sentence, whole."""
        names = [name for name in self.list_commands(ctx) if not self.commands[name].hidden]
        width = max(map(len, names))
        others = [name for name in names if all(name not in group for group in GROUPS.values())]
        for title, group in {**GROUPS, "Others": others}.items():
            rows = [
                (name.ljust(width), first_sentence(str(self.commands[name].help)))
                for name in group
                if name in names
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> None:
        """Run one; an error of ours is one line, with its cure and exit code."""
        try:
            code = super().invoke(ctx)
        except PollerError as error:
            say(f"sei-poller: {error}", err=True)
            if error.hint:
                say(f"  {error.hint}", err=True)
            code = error.exit_code
        except KeyboardInterrupt:
            code = 130
        ctx.exit(code or 0)


def first_sentence(text: str) -> str:
    """Of a command's help, without its full stop."""
    return re.split(r"\.(?: |$)", " ".join(text.split()), maxsplit=1)[0]


app = typer.Typer(
    name="sei-poller",
    cls=Commands,
    help="Sends every completed Jenkins build to Harness SEI.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 all done, 1 a finding, 64 usage, 65 no such job or build, 69 a server could"
        " not be reached, 70 a bug, 73 ledger, 74 output, 75 done in part, 78 config."
    ),
)
config_app = typer.Typer(help="The effective settings, and the JSON Schema.", no_args_is_help=True)
app.add_typer(config_app, name="config")

BESIDE_THE_SERVICE = 0.5
"""Share of ``max_connections`` of a command that may run beside the service, which has all."""

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
BuildNumber = Annotated[int, typer.Argument(metavar="NUMBER", min=1, max=MOST_BUILDS)]
ControllerName = Annotated[
    str | None, typer.Option("--controller", metavar="NAME", help="Needed where two share the job.")
]
OneController = Annotated[
    str | None, typer.Option("--controller", metavar="NAME", help="Default: every controller.")
]
When = Annotated[str | None, typer.Option(metavar="WHEN", help="An ISO 8601 time, or 90d, or all.")]
SinkName = Annotated[
    str, typer.Option("--sink", metavar="NAME", help="sei, or iacm: what Harness IaCM gets.")
]


def _version(show: bool) -> None:
    if show:
        emit(version_lines())
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            readable=False,  # it is told when it is read, also to systemd
            help="Default: $SEI_POLLER_CONFIG, else ~/.config/sei-poller/poller.toml (not for"
            " root), else /etc/sei-poller/poller.toml.",
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
    ctx.obj = config


def read_settings(ctx: typer.Context, *, secrets: bool = True) -> Settings:
    """The config, with every secret readable where they are needed. Raises ConfigError."""
    return reader(ctx, secrets=secrets)()


def reader(ctx: typer.Context, *, secrets: bool = True) -> Callable[[], Settings]:
    """Reads the config, and raises ConfigError for it and for each secret that can't be read."""
    from poller.config.load import check_secrets, load

    path = config_path(ctx)

    def read() -> Settings:
        settings = load(path, os.environ)
        if secrets and (missing := check_secrets(settings, os.environ)):
            raise ConfigError([f"{path}: {finding}" for finding in missing])
        return settings

    return read


def config_path(ctx: typer.Context) -> Path:
    """The config file, absolute. By hand, its credentials are the files beside it."""
    from poller.config.load import find

    root = os.geteuid() == 0
    path = find(ctx.find_root().obj, os.environ, root=root).absolute()
    os.environ.setdefault("CREDENTIALS_DIRECTORY", str(path.parent))
    return path


def check_controller(name: str | None, known: Sequence[str]) -> None:
    """Raise UsageError for a controller that is not in the config."""
    if name is not None and name not in known:
        raise UsageError(f"no controller {name!r} in the config", f"there are: {', '.join(known)}")


def is_iacm(settings: Settings, sink: str) -> bool:
    """Whether a command is about IaCM. Raises UsageError for a sink that is none, or not there."""
    if sink == "iacm" and settings.harness is None:
        raise UsageError("--sink iacm: there is no [harness] in the config", "see the README")
    if sink not in ("sei", "iacm"):
        raise UsageError(f"--sink {sink}: there is no such sink", "there are: sei, iacm")
    return sink == "iacm"


def moment(text: str | None, option: str, now: int) -> int | None:
    """A WHEN in epoch milliseconds. Raises UsageError, naming its option."""
    from poller.core.times import parse_when

    try:
        return None if text is None else parse_when(text, now)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None


def window(since: str | None, until: str | None, now: int) -> tuple[int | None, int | None]:
    """Both ends in epoch milliseconds. Raises UsageError, also where nothing is between them."""
    start, end = moment(since, "--since", now), moment(until, "--until", now)
    if start is not None and end is not None and start >= end:
        raise UsageError("--since is not before --until")
    return start, end


def with_context(
    settings: Settings,
    work: Callable[[AppContext], Coroutine[Any, Any, T]],
    *,
    events: Events = NO_EVENTS,
    instead: bool = False,
) -> T:
    """What ``work`` returns, with all that the config names opened for it. ``instead`` of the
    service, not beside it: with all of ``max_connections``. Nothing stands still for the ledger, as
    a run whose answer is not read in time is sent again.
    """
    import asyncio

    from poller.context import open_context
    from poller.core.log_output import configure
    from poller.ledger import SHORT_WAIT

    configure()

    async def main() -> T:
        share = 1.0 if instead else BESIDE_THE_SERVICE
        async with open_context(
            settings, os.environ, events=events, share=share, wait=SHORT_WAIT
        ) as context:
            return await work(context)

    return asyncio.run(main())


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
