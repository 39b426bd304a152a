"""`install` and `uninstall`: the service around the program that is installed already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poller import __version__
from poller.cli.app import app
from poller.cli.output import emit, say

if TYPE_CHECKING:
    from poller.actions.install.places import Places

Prefix = Annotated[
    Path, typer.Option("--prefix", metavar="DIR", help="For the man page and completion.")
]
Sysconfdir = Annotated[
    Path, typer.Option("--sysconfdir", metavar="DIR", help="For the folder of the config.")
]
Unitdir = Annotated[
    Path | None,
    typer.Option("--unitdir", metavar="DIR", help="Default: SYSCONFDIR/systemd/system."),
]
Destdir = Annotated[
    Path | None, typer.Option("--destdir", metavar="DIR", help="A folder to make a package from.")
]
PREFIX, SYSCONFDIR = Path("/usr/local"), Path("/etc")


@app.command()
def install(
    prefix: Prefix = PREFIX,
    sysconfdir: Sysconfdir = SYSCONFDIR,
    unitdir: Unitdir = None,
    destdir: Destdir = None,
    command: Annotated[
        Path | None,
        typer.Option("--command", metavar="PATH", help="What the units start. Default: this one."),
    ] = None,
) -> None:
    """Write the systemd units, the example config, the man page and completion, as root. Run
    again, it upgrades them."""
    from poller.actions.install.install import install as write_all

    places = _places(prefix, sysconfdir, unitdir, destdir, command)
    write_all(places)
    emit([f"sei-poller {__version__} installed"])
    if places.at(places.config / "poller.toml").exists():
        say("upgraded; next: systemctl try-restart 'sei-poller*.service'", err=True)
        say("  where none runs: systemctl enable --now sei-poller", err=True)
    else:
        say(f"next: sei-poller --config {places.config}/poller.toml init", err=True)


@app.command()
def uninstall(
    prefix: Prefix = PREFIX,
    sysconfdir: Sysconfdir = SYSCONFDIR,
    unitdir: Unitdir = None,
    destdir: Destdir = None,
) -> None:
    """Stop the units, disable them and take back what `install` wrote. Configs, secrets and
    ledgers stay, and are named."""
    from poller.actions.install.uninstall import uninstall as remove_all

    kept = remove_all(_places(prefix, sysconfdir, unitdir, destdir, None))
    emit([f"kept: {path}" for path in kept] or ["nothing is left"])


def _places(
    prefix: Path, sysconfdir: Path, unitdir: Path | None, destdir: Path | None, command: Path | None
) -> Places:
    from poller.actions.install.install import own_command
    from poller.actions.install.places import Places

    return Places(
        prefix.absolute(),
        sysconfdir.absolute(),
        (unitdir or sysconfdir / "systemd/system").absolute(),
        destdir and destdir.absolute(),
        (command or own_command()).absolute(),
    )
