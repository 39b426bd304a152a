"""Files and folders for our own user's eyes, whatever the umask is."""

from __future__ import annotations

import os
from pathlib import Path


def open_private(path: Path, flags: int) -> int:
    """A descriptor of the file, made with its folders where they are not there. Raises OSError.

    What is there keeps its mode: somebody chose it, and ``check`` warns of it.
    """
    make_folder(path.parent)
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are not there. Raises OSError."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
