"""The command in a process of its own, again and again, without its start: a fork of one that has
imported all of it. What it does to the ledger and on the network is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.conftest import Site, clean_environ


class Forks:
    """``with Forks(site) as forks``: has the site's environment as it is then."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._log = site.directory / "forks.log"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", str(self._log)],
            env={**clean_environ(), **self._site.environ},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command to its end: its exit code, or less than 0 the signal that ended it; and
        what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        command = ["sei-poller", "--config", str(self._site.config), *arguments]
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        said = self._log.read_text()
        assert "Traceback" not in said, said
        return code, said


def _serve(log: str) -> None:
    import poller.cli
    import poller.once
    import poller.progress
    import poller.render
    import poller.wiring  # noqa: F401
    from poller.__main__ import main

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.argv = json.loads(line)
            code = 1
            try:
                main()
            except SystemExit as ended:
                code = int(ended.code or 0)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
