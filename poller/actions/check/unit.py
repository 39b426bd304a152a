"""The systemd unit that runs with a config, as its files on this machine have it."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = tuple(
    Path(folder, "systemd/system")
    for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
)
"""Where systemd looks for units, the first that has one first."""

ANY_DYNAMIC = 61184
"""A user of DynamicUser= that is not there now could have this id (systemd.exec(5))."""

HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ProtectHome= hides."""


@dataclass(frozen=True)
class Unit:
    """Its name, and its settings by key: each a list, as they may stand several times."""

    name: str
    settings: Mapping[str, Sequence[str]]

    @property
    def user(self) -> tuple[int, list[int]]:
        """The ids of its user and groups."""
        name = (self.settings.get("User") or ["root"])[-1]
        try:
            found = pwd.getpwnam(name)
            uid, groups = found.pw_uid, os.getgrouplist(name, found.pw_gid)
        except KeyError:
            uid, groups = ANY_DYNAMIC, [ANY_DYNAMIC]
        for group in (*self.words("Group"), *self.words("SupplementaryGroups")):
            with contextlib.suppress(KeyError):
                groups.append(grp.getgrnam(group).gr_gid)
        return uid, groups

    @property
    def state(self) -> list[Path]:
        """What it may write to, and systemd gives it."""
        names = self.words("StateDirectory")
        return [Path("/var/lib", above, name) for name in names for above in ("", "private")]

    def words(self, key: str) -> list[str]:
        """All words of a setting; those of a line with an open quote as they stand."""
        found: list[str] = []
        for value in self.settings.get(key, ()):
            try:
                found += shlex.split(value)
            except ValueError:
                found += value.split()
        return found

    def says(self, key: str, *values: str) -> bool:
        """Whether a setting has one of the values."""
        return (self.settings.get(key) or [""])[-1].lower() in values

    def hides(self, path: Path) -> bool:
        """Whether the unit does not see what the machine has there."""
        return self.says("ProtectHome", "yes", "true", "tmpfs") and _below(path, HOMES)

    def owns(self, path: Path) -> bool:
        """Whether it is in the unit's state directory."""
        return _below(path, self.state)

    def lets_write(self, path: Path) -> bool:
        """Whether its sandbox lets it write there."""
        given = [Path(word.lstrip("-+")) for word in self.words("ReadWritePaths")]
        if _below(path, [*self.state, *given]):
            return True
        return not self.says("ProtectSystem", "strict") and not self.hides(path)

    def variables(self) -> set[str]:
        """The names of its environment variables."""
        lines = self.words("Environment") + [f"{name}=" for name in self.words("PassEnvironment")]
        for word in self.words("EnvironmentFile"):
            file = Path(word.removeprefix("-"))
            lines += file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
        return {line.partition("=")[0].strip() for line in lines if "=" in line}


def find_unit(config: Path, folders: Sequence[Path] = FOLDERS) -> Unit | None:
    """The service whose command names the config; None where there is none."""
    for name, template in (
        ("sei-poller.service", "sei-poller.service"),
        (f"sei-poller@{config.stem}.service", "sei-poller@.service"),
    ):
        file = next((folder / template for folder in folders if (folder / template).exists()), None)
        if file is None:
            continue
        added = [
            path
            for owner in dict.fromkeys((template, name))
            for folder in reversed(folders)
            for path in sorted((folder / f"{owner}.d").glob("*.conf"))
        ]
        unit = Unit(name, _settings([file, *added], config.stem))
        if str(config) in unit.words("ExecStart"):
            return unit
    return None


def _settings(files: Iterable[Path], instance: str) -> dict[str, list[str]]:
    """As systemd.syntax(7) has them; an empty value takes back those before."""
    found: dict[str, list[str]] = {}
    for file in files:
        text = file.read_text("utf-8", "replace").replace("\\\n", " ")
        for line in text.splitlines():
            key, assigned, value = line.strip().partition("=")
            if not assigned or key.startswith(("#", ";")):
                continue
            value = value.strip().replace("%i", instance)
            found[key.strip()] = [*found.get(key.strip(), ()), value] if value else []
    return found


def _below(path: Path, folders: Iterable[Path]) -> bool:
    places = {path.absolute(), path.resolve()}
    return any(place.is_relative_to(folder) for place in places for folder in folders)


def allowed(user: tuple[int, list[int]], wanted: Sequence[tuple[Path, int]]) -> list[bool]:
    """What another user may do: for each path, whether ``os.access`` would say yes. For root only;
    a process of its own asks, as that user, with these groups."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups(user[1])
            os.setgid(user[1][0])
            os.setuid(user[0])
            os.write(writing, bytes(os.access(path, mode) for path, mode in wanted))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        said = answers.read()
    os.waitpid(child, 0)
    return [bool(one) for one in said] + [False] * (len(wanted) - len(said))
