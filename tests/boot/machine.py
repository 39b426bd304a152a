"""A Debian whose PID 1 is systemd, in a container that shares only the network's loopback."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from tests.support.waiting import wait_for

BOOT_SECONDS, COMMAND_SECONDS = 90, 900

START = """\
mount -t tmpfs tmpfs /run
exec systemd-nspawn --quiet --register=no --keep-unit --boot --console=pipe --directory="$0" "$@"
"""
"""systemd-nspawn needs a /run of its own where none is mounted. Nothing of it is seen outside."""


class Machine:
    """The tree, running. ``binds`` are folders of ours that it sees under the same path."""

    def __init__(self, tree: Path, binds: tuple[Path, ...] = ()) -> None:
        self.tree = tree
        self._binds = [f"--bind-ro={path}" for path in binds]
        self._log = tree.with_name(f"{tree.name}.log")
        self._nspawn: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Boot it."""
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", START]
        with self._log.open("ab") as log:
            self._nspawn = subprocess.Popen(
                [*command, str(self.tree), *self._binds],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(self._is_up, BOOT_SECONDS)

    def stop(self) -> None:
        """Shut it down, as a person does."""
        assert self._nspawn is not None
        if self._nspawn.poll() is None:
            self.run("systemctl", "poweroff", check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nspawn.wait(BOOT_SECONDS)
        self._nspawn.kill()
        self._nspawn.wait()
        self._nspawn = None

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command as root, with what it says on both streams in ``stdout``."""
        done = subprocess.run(
            [
                *("nsenter", f"--target={self._leader()}", "--all", "--wdns=/"),
                *(
                    "env",
                    "-i",
                    "LANG=C.UTF-8",
                    "HOME=/root",
                    "PATH=/usr/local/bin:/usr/sbin:/usr/bin",
                ),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
        return done

    def shell(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The same, for a line of sh."""
        return self.run("sh", "-ec", script, check=check)

    def show(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", key, unit).stdout.strip()

    def _leader(self) -> str:
        """PID 1 of the container, as it is called outside; empty before it is there."""
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, self._log.read_text(errors="replace")
        pid = self._nspawn.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split(" ")[0]

    def _is_up(self) -> bool:
        if not self._leader():
            return False
        done = self.run("systemctl", "is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")
