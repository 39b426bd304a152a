"""A simulated Jenkins and SEI as real servers on loopback, and the real command against them."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from poller.demo.jenkins.items import API_TOKEN, Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from tests.support.forks import Command, Forks

GUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
TOKEN = API_TOKEN
KEY = "demo-key"


@cache
def forks() -> Forks:
    """One for all tests of this process."""
    forks = Forks(clean_environ())
    atexit.register(forks.__exit__)
    return forks


@contextlib.contextmanager
def served(app: Any) -> Iterator[Server]:
    """The app as a server. Nobody waits for its end, which takes some tenths of a second."""
    server = Server(app)
    server.start()
    try:
        yield server
    finally:
        threading.Thread(target=server.stop).start()


@dataclass
class Site:
    """One controller and SEI, a config for them, and the command."""

    directory: Path
    jenkins: Jenkins
    sei: Sei
    jenkins_server: Server
    sei_server: Server
    environ: dict[str, str] = field(
        default_factory=lambda: {"JENKINS_TOKEN": TOKEN, "SEI_API_KEY": KEY}
    )

    @property
    def config(self) -> Path:
        """The config file."""
        return self.directory / "poller.toml"

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.directory / "ledger.db"

    def controller(self, name: str = "main", **keys: Any) -> str:
        """A ``[[controllers]]`` table; a key that is None is left out."""
        values = {
            "name": name,
            "url": self.jenkins_server.url,
            "user": "reader",
            "token_env": "JENKINS_TOKEN",
            "instance_guid": GUID,
            "since": "all",
            "timeout": "5s",
            **keys,
        }
        lines = [f"{k} = {json.dumps(value)}" for k, value in values.items() if value is not None]
        return "\n".join(["[[controllers]]", *lines]) + "\n"

    def configure(self, *controllers: str, more: str = "", **sei: Any) -> None:
        """Write the config; without arguments, one controller and SEI."""
        values = {
            "base_url": f"{self.sei_server.url}sei/api/v1",
            "api_key_env": "SEI_API_KEY",
            "request_rate": 1000,
            "timeout": "5s",
            **sei,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        parts = [*(controllers or [self.controller()]), "[sei]", *lines]
        parts += ["[ledger]", f"path = {json.dumps(str(self.ledger))}", more]
        self.config.write_text("\n".join(parts) + "\n")

    def start(self, *arguments: str) -> Command:
        """Start the command and leave it running."""
        environ = {**clean_environ(), **self.environ}
        return forks().start(["--config", str(self.config), *arguments], environ)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end. A traceback is never right."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        assert TOKEN not in out + err
        assert KEY not in out + err
        return subprocess.CompletedProcess(arguments, process.wait(), out, err)

    def look_again(self, times: int = 1) -> None:
        """Poll so many times; whatever waits is due each time."""
        for _ in range(times):
            with sqlite3.connect(self.ledger) as conn:
                conn.execute("update pending set retry_at = 0")
                conn.execute("update job set retry_at = 0")
            conn.close()
            self.run("once")

    def read(self, *arguments: str) -> Any:
        """What the command says with ``--json``."""
        return json.loads(self.run(*arguments, "--json").stdout)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environ() -> dict[str, str]:
    """The environment without what would point the program elsewhere."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SEI_", "XDG_", "STATE_"))}


@contextlib.contextmanager
def simulated(directory: Path) -> Iterator[Site]:
    """Both servers, configured, with nothing built yet."""
    jenkins, sei = Jenkins(), Sei(guids={GUID})
    with served(jenkins.app) as jenkins_server, served(sei.app) as sei_server:
        site = Site(directory, jenkins, sei, jenkins_server, sei_server)
        site.configure()
        yield site
