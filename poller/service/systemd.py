"""Notifies systemd: sd_notify(3), over the datagram socket that $NOTIFY_SOCKET names."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

LONGEST_WAIT = 1.0
"""Seconds that a message may wait for systemd to have read those before it."""


class Systemd:
    """Sends nothing where no socket is named, as on a terminal.

    ``watchdog`` is the time in seconds within which systemd wants a sign of life, None where it
    wants none. ``runtime_directory`` is the unit's RuntimeDirectory=, empty where there is none.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self.watchdog = watchdog_seconds(environ, os.getpid())
        self.runtime_directory = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
        self._status = ""

    def ready(self) -> None:
        """Started, or done with a reload."""
        self._send("READY=1")

    def alive(self) -> None:
        """For the watchdog."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """The config is being read anew; :meth:`ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, seconds: float) -> None:
        """The end has begun, and may take so long."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it is another than before. It waits for
        nothing: where systemd has not yet read those before it, the next one says more."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + text.replace("\n", " "), wait=0)

    def _send(self, message: str, wait: float = LONGEST_WAIT) -> None:
        if not self._address:
            return
        # sd_notify(3): a message that can't be sent is no reason to stop working.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to_systemd,
        ):
            to_systemd.settimeout(wait)
            to_systemd.sendto(message.encode(), self._address)


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """``$WATCHDOG_USEC`` in seconds, if meant for process ``pid``: sd_watchdog_enabled(3)."""
    usec = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not usec.isdecimal():
        return None
    return int(usec) / 1_000_000 or None
