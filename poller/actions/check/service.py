"""The service: what its unit can't read or reach, though root, who checks, can; whose the ledger's
files are; who reaches its page. Nothing is changed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from poller.actions.check.finding import CONFIG, CONFIG_CODE, LEDGER, CheckResult, warning, wrong
from poller.actions.check.unit import FOLDERS, Unit, allowed, find_unit
from poller.config.load import ETC, load, owners
from poller.config.secrets import secret_sources
from poller.config.settings import Settings, StatusConfig
from poller.config.types import SecretSource
from poller.core.private_files import user_name
from poller.core.urls import is_loopback

CREDENTIAL = "name a credential instead: systemd reads it as root, for the unit alone"


def as_service(
    config: Path, settings: Settings, folders: Sequence[Path] = FOLDERS
) -> list[CheckResult]:
    """A finding for each thing that is in the unit's way; none where no unit has this config, or
    where it is not root who asks."""
    if os.geteuid() != 0 or (unit := find_unit(config, folders)) is None:
        return []
    results = unreadable(unit, "", config)
    for owner in owners(settings):
        for what, source in secret_sources(owner):
            results += _secret_of(unit, what, source)
        for key in ("ca_file", "client_cert"):
            if (file := getattr(owner, key)) is not None:
                results += unreadable(unit, key, Path(file))
    by_hand = settings.ledger.path
    own = load(config, {"STATE_DIRECTORY": str(unit.state[0])} if unit.state else {}).ledger.path
    if own != by_hand:
        saw = f"{unit.name} has {own}, a command that is typed {by_hand}"
        results.append(warning("ledger", saw, f'[ledger] path = "{own}"'))
    return results + unwritable(unit, Path(own))


def _secret_of(unit: Unit, what: str, source: SecretSource) -> list[CheckResult]:
    """That the unit does not get a secret."""
    if source.env is not None and source.env not in unit.variables():
        saw = f"{what}: {unit.name} sets no variable {source.env}"
        return [wrong(CONFIG, saw, CREDENTIAL, CONFIG_CODE)]
    if source.credential is not None and source.credential not in unit.credentials():
        saw = f"{what}: {unit.name} loads no credential {source.credential}"
        line = f"LoadCredential={source.credential}:{ETC}/{source.credential}"
        cure = f"systemctl edit {unit.name}: [Service], {line}"
        return [wrong(CONFIG, saw, cure, CONFIG_CODE)]
    return [] if source.file is None else unreadable(unit, what, Path(source.file), CREDENTIAL)


def unreadable(unit: Unit, what: str, path: Path, cure: str = "") -> list[CheckResult]:
    """That the unit's user can't read a file that is there, and the cure: by default, the right to.
    ``what`` names its key, where it is not the config itself."""
    what += ": " if what else ""
    if unit.hides(path):
        saw = f"{what}{unit.name} can't see {path}: ProtectHome= hides it"
        return [wrong(CONFIG, saw, cure or f"move it to {ETC}", CONFIG_CODE)]
    above = [(folder, os.X_OK) for folder in reversed(path.absolute().parents)]
    wanted = [*above, (path, os.R_OK)]
    for (place, mode), may in zip(wanted, allowed(unit.user, wanted), strict=True):
        if not may and place.exists():
            change = "a+r" if mode == os.R_OK else "a+x"
            saw = f"{what}the user of {unit.name} can't read {path}"
            command = f"chmod {change} {shlex.quote(str(place))}"
            return [wrong(CONFIG, saw, cure or command, CONFIG_CODE)]
    return []


def unwritable(unit: Unit, ledger: Path) -> list[CheckResult]:
    """That the unit can't write to the ledger's folder. Its own, systemd makes and gives it."""
    if unit.owns(ledger):
        return []
    if not unit.lets_write(ledger):
        why = "its sandbox hides it or makes it read-only"
    elif ledger.parent.exists() and not all(
        allowed(unit.user, [(ledger.parent, os.W_OK | os.X_OK)])
    ):
        why = f"its user has no right to write to {ledger.parent}"
    else:
        return []
    cure = f'[ledger] path = "{unit.state[0]}/ledger.db"' if unit.state else ""
    return [wrong("ledger", f"{unit.name} can't write {ledger}: {why}", cure, LEDGER)]


def foreign(ledger: Path) -> list[CheckResult]:
    """Files of the ledger that are another's than the folder: the service can't write them."""
    try:
        folder, own = ledger.parent.stat().st_uid, ledger.stat().st_uid
    except OSError:
        return []
    owner, like = (folder, ledger.parent) if folder else (own, ledger)
    others = [
        path
        for path in sorted(ledger.parent.glob(f"{ledger.name}*"))
        if path.lstat().st_uid != owner
    ]
    if not others:
        return []
    names = ", ".join(path.name for path in others)
    saw = f"{names}: not of {user_name(owner)}, who owns {like}"
    cure = f"chown --reference={shlex.quote(str(like))} {shlex.quote(str(ledger))}*"
    return [wrong("ledger", saw, cure, LEDGER)]


def public_page(status: StatusConfig) -> list[CheckResult]:
    """A warning where more than this machine reaches the page."""
    host, named, _ = (status.listen or "").rpartition(":")
    if not named or is_loopback(host.strip("[]")):
        return []
    saw = f"listen = {status.listen}: whoever reaches this machine reads the page, without password"
    cure = "127.0.0.1, behind a proxy that asks for one; or a firewall"
    return [warning("status", saw, cure)]
