"""Take back what `install` wrote."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

from poller.actions.install.places import UNIT_NAMES, Places, files, links
from poller.core.errors import InstallError


def uninstall(places: Places) -> list[Path]:
    """Stop and disable every unit, instances too, and remove the files. What stays: configs,
    secrets, drop-ins and ledgers. Raises InstallError."""
    places.systemctl("stop", *UNIT_NAMES)
    try:
        for path in (*links(places), *map(places.at, files(places))):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something of the user's is in it
            places.at(places.config).rmdir()
    except OSError as error:
        raise InstallError(f"{error.filename}: can't remove it: {error.strerror}") from error
    places.systemctl("daemon-reload")
    places.systemctl("reset-failed", *UNIT_NAMES)
    return sorted(set(_kept(places)))


def _kept(places: Places) -> Iterator[Path]:
    config = places.at(places.config)
    if config.exists():
        yield config
    for unit in UNIT_NAMES:
        yield from places.at(places.sysconfdir / "systemd/system").glob(f"{unit}.d")
    for folder in ("var/lib", "var/lib/private"):
        for path in places.at(Path("/", folder)).glob("sei-poller*"):
            if not path.is_symlink():
                yield path
    for path in config.glob("*.toml"):
        if (ledger := _ledger(path)) is not None and ledger.exists():
            yield ledger


def _ledger(config: Path) -> Path | None:
    """The ledger that a config names, however wrong the rest of it is."""
    try:
        document = tomllib.loads(config.read_text("utf-8"))
        return Path(document["ledger"]["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
