"""The ledger's place: can it be written, how much room is left. Nothing is made or changed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from poller.actions.check.finding import CONFIG, LEDGER, CheckResult, ok, warning, wrong
from poller.config.load import owners
from poller.config.secrets import file_of, secret_sources
from poller.config.settings import Settings
from poller.core.errors import LedgerError
from poller.delivery.jsonl import check_regular
from poller.ledger import Ledger

LEAST_FREE = 100 * 1024 * 1024
SUBJECT = "ledger"


def ledger(path: Path) -> CheckResult:
    """One line about the ledger and its folder."""
    folder = next(parent for parent in (path.parent, *path.parents) if os.path.exists(parent))
    free = shutil.disk_usage(folder).free
    saw = f"{path}, {free // 2**20:,} MiB free"
    there = os.path.exists(path)  # False also where it can't be seen
    if not there:
        saw += ", none yet"
    for one in (folder, path) if there else (folder,):
        if not os.access(one, os.W_OK | (os.X_OK if one == folder else 0)):
            saw = f"{path}: {one} can't be written by this user"
            cure = (
                "run it as root or as the service's user; or check the [ledger] path and its owner"
            )
            return wrong(SUBJECT, saw, cure, LEDGER)
    if free < LEAST_FREE:
        return wrong(SUBJECT, saw, "make room on its disk")
    if there:
        try:
            with Ledger(path, read_only=True) as opened:
                former = opened.outbox.former_sinks()
                shifted = opened.jobs.shifted()
        except LedgerError as error:
            return wrong(SUBJECT, str(error), error.hint, LEDGER)
        saw += f", {path.stat().st_size // 2**10:,} KiB"
        for name, queued in former.items():
            cure = f"put it back, or: sei-poller retry --drop {name}"
            return warning(SUBJECT, f"{name}: {queued} queued, and it is not in the config", cure)
        if shifted:
            jobs = ", ".join(shifted[:10])
            cure = "they stay so, as SEI keeps the first run of a number; nothing is to be done"
            return warning(SUBJECT, f"higher numbers at SEI than at Jenkins, of {jobs}", cure)
    return ok(SUBJECT, saw)


def jsonl(path: Path) -> list[CheckResult]:
    """That runs can't be appended to it; nothing where they can, as far as can be seen."""
    try:
        check_regular(path)
    except OSError as error:
        cure = "give [jsonl] path a file on a disk"
        return [wrong("jsonl", f"{path}: {error.strerror}", cure)]
    return []


def exposed(config: Path, settings: Settings, environ: Mapping[str, str]) -> list[CheckResult]:
    """A warning for each file that more people reach than is meant; none where all is well."""
    proxies = (owner.proxy for owner in owners(settings))
    sources = [source for owner in owners(settings) for _, source in secret_sources(owner)]
    secrets = [path for source in sources if (path := file_of(source, environ)) is not None]
    if any(urlsplit(proxy).password for proxy in proxies if proxy is not None):
        secrets.append(config)
    kept = [Path(settings.ledger.path)]
    if settings.jsonl is not None:
        kept.append(Path(settings.jsonl.path))
    return [
        *_readable(secrets, "a secret is in it"),
        *_readable(kept, "it holds what teams build and who builds it"),
        *_writable([config, *secrets, *kept]),
    ]


def _readable(paths: Iterable[Path], why: str) -> list[CheckResult]:
    return [
        warning(CONFIG, f"{path}: every user can read it, and {why}", f"chmod o= {path}")
        for path in dict.fromkeys(paths)
        if _mode(path) & stat.S_IROTH
    ]


def _writable(paths: Iterable[Path]) -> list[CheckResult]:
    """Files that others may change, and folders where they may put a file or a link in our way."""
    every = dict.fromkeys(place for path in paths for place in (path, path.absolute().parent))
    return [
        warning(
            CONFIG, f"{place}: every user can write to it",
            "give the program a folder of its own" if place.is_dir() else f"chmod o= {place}",
        )
        for place in every
        if _mode(place) & stat.S_IWOTH
    ]  # fmt: skip


def _mode(path: Path) -> int:
    """The mode; 0 for what is not there."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0
