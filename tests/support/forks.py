"""The real command in a process of its own, without its start: a fork of one that has imported all
of the program. It has its own arguments, environment and output; only its imports, and what it makes
of the commands' signatures, are done before."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TextIO

import typer
from sqlite_utils.plugins import ensure_plugins_loaded


class Command:
    """The command under way, to be used as a ``subprocess.Popen``; a test that fails does not wait
    for it."""

    def __init__(self, pid: int, ended: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: TextIO = open(stdout, encoding="utf-8")  # noqa: SIM115
        self.stderr: TextIO = open(stderr, encoding="utf-8")  # noqa: SIM115
        self._ended = ended

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or less than 0 the signal that ended it."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(os.read(self._ended, 16))
            os.close(self._ended)
        return self.returncode

    def poll(self) -> int | None:
        """The same, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end: all that it printed, on both. One that takes longer is killed."""
        with ThreadPoolExecutor(2) as pool:
            printed = [pool.submit(file.read) for file in (self.stdout, self.stderr)]
            try:
                out, err = (future.result(timeout) for future in printed)
            except TimeoutError:
                self.kill()
                raise
        self.wait(timeout)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.kill()
        self.stdout.close()
        self.stderr.close()
        self.wait()


class Forks:
    """``with Forks(environ) as forks``: ``environ`` is that of the process to be forked."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks", str(theirs.fileno())],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ours.close()
        self._process.wait()

    def start(
        self, arguments: list[str], environ: Mapping[str, str], user: int | None = None
    ) -> Command:
        """Start the command and leave it running; root can have it run as another ``user``."""
        asked = json.dumps([arguments, dict(environ), os.getcwd(), user]).encode()
        pipes = [os.pipe() for _ in range(3)]
        with self._lock:
            socket.send_fds(self._ours, [asked], [theirs for _, theirs in pipes])
            pid = int(self._ours.recv(16))
        for _, theirs in pipes:
            os.close(theirs)
        return Command(pid, *(ours for ours, _ in pipes))


def _serve(place: socket.socket) -> None:
    """Fork for each message. Returns in the child, with its arguments in place; in the parent it
    does not, but ends with the tests."""
    running: dict[int, int] = {}

    def ended(*_signal: object) -> None:
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            # Nobody may be left to read it.
            with contextlib.suppress(BrokenPipeError):
                os.write(running[pid], str(os.waitstatus_to_exitcode(status)).encode())
            os.close(running.pop(pid))

    signal.signal(signal.SIGCHLD, ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        asked, pipes, _, _ = socket.recv_fds(place, 1_000_000, 3)
        if not asked:
            os._exit(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if not pid:
            break
        running[pid] = pipes[0]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        place.send(str(pid).encode())
        for pipe in pipes[1:]:
            os.close(pipe)
    for pipe, wanted in zip(pipes[1:], (1, 2), strict=True):
        os.dup2(pipe, wanted)
    for pipe in [*running.values(), *pipes]:
        os.close(pipe)
    place.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    arguments, environ, directory, user = json.loads(asked)
    os.chdir(directory)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.argv = ["sei-poller", *arguments]
    if "LD_PRELOAD" in environ and "LD_PRELOAD" not in first_environ:
        # This is for the loader: it takes a start.
        os.execv(sys.executable, [sys.executable, "-m", "poller", *arguments])  # noqa: S606


if __name__ == "__main__":
    first_environ = dict(os.environ)
    import poller.__main__

    for module in pkgutil.walk_packages(poller.__path__, "poller."):
        importlib.import_module(module.name)
    # Reading all signatures costs as much again as `status` does.
    command = typer.main.get_command(poller.__main__.app)
    ensure_plugins_loaded()  # of sqlite-utils, which has none here but looks for them
    gc.freeze()  # what is shared with the forks stays shared
    _serve(socket.socket(fileno=int(sys.argv[1])))
    code = os.EX_OK
    try:
        poller.__main__.main(command)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)  # to tear down what is shared costs more than most commands do
