"""What came of a reload: the service writes it, the unit's ExecReload= waits for it and fails where
the config was not taken. systemd itself hears from a service only that the reload is over, and lets
nobody but the service read the credentials."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from poller.core.errors import ConfigError, UsageError
from poller.service.systemd import Systemd

LONGEST_SECONDS = 60.0
"""That the service may take to read its config: less than systemd waits for ExecReload=."""


def write_result(folder: str, rejected: list[str], changed: list[str]) -> None:
    """What is wrong with the config, or what it changed. No folder: nobody waits for it."""
    part = Path(folder, "reload.part")
    if folder:
        with contextlib.suppress(OSError):  # the service does its work without it
            part.write_text(json.dumps([rejected, changed]))
            part.replace(_file(folder))


def request_reload(environ: Mapping[str, str]) -> list[str]:
    """Have the service ``$MAINPID`` read its config anew; what that changed. Raises ConfigError
    with all that is wrong with the config."""
    folder, pid = Systemd(environ).runtime_directory, environ.get("MAINPID", "")
    if not folder or not pid.isdecimal():
        raise UsageError("reload is for the unit", "systemctl reload sei-poller")
    path = _file(folder)
    path.unlink(missing_ok=True)
    os.kill(int(pid), signal.SIGHUP)
    until = time.monotonic() + LONGEST_SECONDS
    while not path.exists():
        if time.monotonic() > until:
            raise ConfigError([f"the service has not answered in {LONGEST_SECONDS:.0f} s"])
        time.sleep(0.05)
    rejected, changed = json.loads(path.read_text())
    if rejected:
        raise ConfigError(rejected, "the config before stays in use")
    return [str(line) for line in changed]


def _file(folder: str) -> Path:
    return Path(folder, "reload")
