"""What a bug report has to say of versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from poller import __version__

PACKAGES = ("APScheduler", "httpx", "python-jenkins", "sqlite-utils")


def lines() -> list[str]:
    """The program, what it runs on, and the libraries that its work hangs on."""
    import sqlite3
    import ssl

    return [
        f"sei-poller {__version__}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" {' '.join(ssl.OPENSSL_VERSION.split()[:2])}, {platform.system()} {platform.release()}",
        ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
