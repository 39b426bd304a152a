"""Files and folders for our own user's eyes, whatever the umask is; and files that we believe."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from poller.core.errors import ConfigError


def open_private(path: Path, flags: int) -> int:
    """A descriptor of the file, made with its folders where they are not there. Raises OSError.

    What is there keeps its mode: somebody chose it, and ``check`` warns of it. What root makes is
    its folder's owner's, so that a command of root's does not lock the service's user out.
    """
    make_folder(path.parent)
    flags |= os.O_CREAT | os.O_CLOEXEC
    if os.geteuid() != 0:
        return os.open(path, flags, 0o600)
    with _opened_folder(path.parent) as (folder, owner):
        if owner.st_uid != 0:  # who could have put a link to a file of root's there
            flags |= os.O_NOFOLLOW
        file = os.open(path.name, flags, 0o600, dir_fd=folder)
        _give(file, owner)
        return file


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are not there. Raises OSError."""
    if path.exists():
        return
    make_folder(path.parent)
    if os.geteuid() != 0:
        path.mkdir(mode=0o700, exist_ok=True)
        return
    with _opened_folder(path.parent) as (above, owner), contextlib.suppress(FileExistsError):
        os.mkdir(path.name, 0o700, dir_fd=above)
        made = os.open(path.name, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        _give(made, owner)
        os.close(made)


@contextlib.contextmanager
def _opened_folder(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Its descriptor, and whose it is."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder, os.fstat(folder)
    finally:
        os.close(folder)


def _give(file: int, owner: os.stat_result) -> None:
    """What is root's becomes the folder's owner's, unless it is a file with a second name: that
    could be any."""
    found = os.fstat(file)
    if found.st_uid == 0 != owner.st_uid and (found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)):
        os.fchown(file, owner.st_uid, owner.st_gid)


def read_own(path: Path, *, secret: bool, most: int = -1) -> bytes:
    """The content of a config or ``secret``, of which nobody but root and our user can be the
    writer: it says where secrets go. Raises OSError; ConfigError, with the command that mends it.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        content = file.read(most)
    reasons, cures, name = [], [], shlex.quote(str(path))
    if writers := _writers(found):
        reasons.append(f"{writers} can write it")
        cures.append(f"chmod {'g-w,o=' if secret else 'go-w'} {name}")
    if found.st_uid not in (0, os.geteuid()) and not stat.S_ISCHR(found.st_mode):
        reasons.append(f"it belongs to {user_name(found.st_uid)}")
        owner = user_name(os.geteuid()) if secret else "root"
        cures.append(
            f"chown {owner} {name}" if secret else f"chown root {name} && chmod a+r {name}"
        )
    if reasons:
        why = " and ".join(reasons)
        raise ConfigError([f"{path}: not used, because {why}; cure: {' && '.join(cures)}"])
    return content


def _writers(found: os.stat_result) -> str:
    """Who may write beside the owner and root, in words; empty where nobody may."""
    if stat.S_ISCHR(found.st_mode):  # a terminal
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "every user"
    if found.st_mode & stat.S_IWGRP and not _is_ours_alone(found.st_gid):
        try:
            return f"the group {grp.getgrgid(found.st_gid).gr_name}"
        except KeyError:
            return f"the group {found.st_gid}"
    return ""


def _is_ours_alone(gid: int) -> bool:
    """Root's group, or the group that many systems give each user."""
    if gid == 0:
        return True
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    same = (group.gr_gid, group.gr_name) == (user.pw_gid, user.pw_name)
    return same and set(group.gr_mem) <= {user.pw_name}


def user_name(uid: int) -> str:
    """The user's name; the number of one who has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
