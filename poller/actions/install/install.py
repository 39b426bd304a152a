"""Write the files. Run again, it upgrades."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import poller
from poller.actions.install.places import Places, files
from poller.core.errors import InstallError

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108
"""What the units don't see: ProtectHome=, PrivateTmp=."""

ELSEWHERE = (
    "install it where every user can read it, as README says: with PIPX_HOME=/opt/pipx, or a venv"
    " in /opt, and a Python of the system"
)


def own_command() -> Path:
    """The `sei-poller` of the Python that runs this."""
    return Path(sysconfig.get_path("scripts"), "sei-poller")


def install(places: Places) -> None:
    """Write all. Raises InstallError where a file can't be written, or where the service could not
    run this program; then nothing is written."""
    if places.live:
        used = (places.command, own_command(), Path(poller.__file__))
        problem = unreachable([*used, Path(sys.executable).resolve()])
        if problem:
            raise InstallError(f"the service's user can't run this: {problem}", ELSEWHERE)
    for path, text in files(places).items():
        write(places.at(path), text())
    places.systemctl("daemon-reload")


def unreachable(paths: Iterable[Path]) -> str:
    """Why a user other than ours, in the units' sandbox, can't read one of them; empty if it
    can."""
    for path in paths:
        for hidden in HIDDEN:
            if path.is_relative_to(hidden):
                return f"{path} is in {hidden}, which the units don't see"
        for place in (path, *path.parents):
            needed = stat.S_IXOTH if place.is_dir() else stat.S_IROTH
            if place.exists() and not place.stat().st_mode & needed:
                return f"{place} is closed to others (chmod o+rX)"
    return ""


def write(path: Path, text: str) -> None:
    """A file that everybody may read, whatever the umask is: whole, or as it was. Raises
    InstallError."""
    part = path.with_name(f".{path.name}.part")
    try:
        _make_folders(path.parent)
        part.write_text(text, "utf-8")
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        hint = "run it as root" if os.geteuid() else ""
        raise InstallError(f"{path}: can't write it: {error.strerror}", hint) from error


def _make_folders(folder: Path) -> None:
    """With the mode of a system's folders, those that are not there."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
