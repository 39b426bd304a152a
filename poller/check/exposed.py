"""Files that other users of this machine can read or swap."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from poller.check.finding import CONFIG, Finding
from poller.config import owners
from poller.secrets import file_of
from poller.settings import Settings


def exposed(config: Path, settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """A warning for each file that more people reach than is meant; none where all is well."""
    proxies = (owner.proxy for owner in owners(settings))
    secrets = [path for owner in owners(settings) if (path := file_of(owner, environ)) is not None]
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


def _readable(paths: Iterable[Path], why: str) -> list[Finding]:
    return [
        Finding("warning", CONFIG, f"{path}: every user can read it, and {why}", f"chmod o= {path}")
        for path in dict.fromkeys(paths)
        if _mode(path) & stat.S_IROTH
    ]


def _writable(paths: Iterable[Path]) -> list[Finding]:
    """Files that others may change, and folders where they may put a file or a link in our way."""
    every = dict.fromkeys(place for path in paths for place in (path, path.absolute().parent))
    return [
        Finding(
            "warning", CONFIG, f"{place}: every user can write to it",
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
