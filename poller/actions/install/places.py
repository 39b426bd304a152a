"""Where `install` puts things, and from where."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import poller

COMMAND, CONFIG = "/opt/sei-poller/bin/sei-poller", "/etc/sei-poller"
"""What the units call, as they are in the package."""

UNIT_NAMES = ("sei-poller.*", "sei-poller@*", "sei-poller-once.*", "sei-poller-backfill@*")
"""Globs for every unit of ours, also for the instances."""

LIVE = (
    "/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
)  # fmt: skip
"""Where systemd looks for units."""

COMPLETIONS = {
    "bash": "bash-completion/completions/sei-poller",
    "zsh": "zsh/site-functions/_sei-poller",
    "fish": "fish/vendor_completions.d/sei-poller.fish",
}


@dataclass(frozen=True)
class Places:
    """``destdir`` goes before all others: a folder that a package is made from. ``command`` is what
    the units start."""

    prefix: Path
    sysconfdir: Path
    unitdir: Path
    destdir: Path | None
    command: Path

    def at(self, path: Path) -> Path:
        """Where it is written now."""
        return path if self.destdir is None else self.destdir / path.relative_to("/")

    @property
    def config(self) -> Path:
        """The folder of configs and secrets, as the units name it."""
        return self.sysconfdir / "sei-poller"

    @property
    def live(self) -> bool:
        """Whether the systemd of this machine reads the units."""
        return self.destdir is None and str(self.unitdir) in LIVE

    def systemctl(self, *arguments: str) -> None:
        """Tell the systemd that runs here, if it reads the units; what it refuses it says
        itself."""
        if self.live and Path("/run/systemd/system").is_dir():
            subprocess.run(["systemctl", *arguments], check=False)  # noqa: S603, S607


def files(places: Places) -> dict[Path, Callable[[], str]]:
    """Every file that is installed: its place, without ``destdir``, and what makes its text."""
    share, example = places.prefix / "share", "poller.example.toml"

    def packaged(name: str) -> Callable[[], str]:
        return lambda: (data() / name).read_text("utf-8")

    def unit(name: str) -> Callable[[], str]:
        text, command = packaged(f"systemd/{name}"), str(places.command)
        return lambda: text().replace(COMMAND, command).replace(CONFIG, str(places.config))

    return {
        share / "man/man1/sei-poller.1": packaged("man/sei-poller.1"),
        places.config / example: packaged(f"config/{example}"),
        **{share / path: partial(_completion, shell) for shell, path in COMPLETIONS.items()},
        **{places.unitdir / name: unit(name) for name in units()},
    }


def units() -> list[str]:
    """The names of the units in the package."""
    return sorted(path.name for path in (data() / "systemd").glob("sei-poller*.*"))


def links(places: Places) -> Iterator[Path]:
    """What `systemctl enable` made for our units and their instances."""
    folder = places.at(places.sysconfdir / "systemd/system")
    for name in UNIT_NAMES:
        yield from sorted(folder.glob(f"*.wants/{name}"))


def data() -> Path:
    """Of the installed package, or of the checkout where it is not installed but linked."""
    packaged = Path(poller.__file__).parent / "data"
    return packaged if packaged.is_dir() else packaged.parents[1]


def _completion(shell: str) -> str:
    environ = {**os.environ, "_SEI_POLLER_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-I", "-m", "poller"]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout  # noqa: S603
