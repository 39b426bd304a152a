"""The real command in a real pseudo-terminal: what a person sees, and types."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.site import Site, clean_environ


class Terminal:
    """``with Terminal(site, "init") as terminal``: expect and type; then ``code``."""

    def __init__(self, site: Site, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "poller", "--config", str(site.config), *arguments],
            env={**clean_environ(), **site.environ, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self._looked_at = 0
        self.code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        try:
            while self._read(0.1 if self._process.poll() is not None else 20):
                pass
            self.code = self._process.wait(timeout=20)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._ours)

    def expect(self, text: str, seconds: float = 20) -> None:
        """Wait until it is shown, after what was expected before."""
        deadline = time.monotonic() + seconds
        while text not in self.shown[self._looked_at :]:
            assert time.monotonic() < deadline, f"no {text!r} in {self.shown[self._looked_at :]!r}"
            self._read(0.2)
        self._looked_at = self.shown.index(text, self._looked_at) + len(text)

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._ours, text.encode() + b"\n")

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._until_it_ends(lambda: self._process.send_signal(signal.SIGINT))

    def end_input(self) -> None:
        """Ctrl-D."""
        self._until_it_ends(lambda: os.write(self._ours, b"\x04"))

    def _until_it_ends(self, press: Callable[[], object]) -> None:
        """As a person does it: the command may not listen at once."""
        for _ in range(10):
            press()
            again = time.monotonic() + 3
            while time.monotonic() < again:
                if self._process.poll() is not None:
                    return
                self._read(0.1)

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and answer it."""
        self.expect(question)
        self.expect(": ")
        self.type(text)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)
