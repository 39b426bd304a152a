"""`python -m poller`, and the command `sei-poller`."""
# ruff: noqa: E402

from __future__ import annotations

import signal

BEFORE = signal.getsignal(signal.SIGINT)
if BEFORE is signal.default_int_handler:  # Ctrl-C while all is loaded: the end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from poller.cli import executions, install, logs, maintain, run, setup, show
from poller.cli.app import app
from poller.core.errors import sanitize

signal.signal(signal.SIGINT, BEFORE)

__all__ = ["app", "executions", "install", "logs", "maintain", "run", "setup", "show"]

CLICKS_USAGE = 2

LOOKS_AFTER = 50_000
"""New objects after which the garbage collector looks: imports make many and no garbage, and with
Python's own 700 it takes a fifth of the start (measured)."""


PLACES_SHOWN, WORDS_SHOWN = 3, 300


@app.command()
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the simulated servers running at the end.")
    ] = False,
) -> int:
    """A simulated Jenkins and SEI on loopback, and a walkthrough on them."""
    from poller.demo.walkthrough import run_walkthrough

    return run_walkthrough(serve=serve)


def main(command: Callable[..., Any] = app) -> None:
    """Run the command line; wrong usage ends with EX_USAGE, as sysexits has it, and a fault of the
    program's own with EX_SOFTWARE and one line, in which is no secret."""
    gc.set_threshold(LOOKS_AFTER)
    try:
        command(prog_name="sei-poller")
    except SystemExit as end:
        raise SystemExit(os.EX_USAGE if end.code == CLICKS_USAGE else end.code) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        code, lines = end_of(error)
        with contextlib.suppress(OSError):  # there may be no way to say it
            print(*lines, sep="\n", file=sys.stderr)
        raise SystemExit(code) from None


REPORT = "this is a bug: please report this line, and what `sei-poller --version` says"


def end_of(error: Exception) -> tuple[int, list[str]]:
    """The exit code, and what is said: of output that can't be written, or of a bug."""
    *_, (raised, _) = traceback.walk_tb(error.__traceback__)
    if isinstance(error, OSError) and raised.f_code is typer.echo.__code__:
        return os.EX_IOERR, [f"sei-poller: can't write the output: {error.strerror}"]
    return os.EX_SOFTWARE, [f"sei-poller: {of_a_bug(error)}", f"  {REPORT}"]


def of_a_bug(error: Exception) -> str:
    """What was raised, and the last of our own lines that led there."""
    ours = Path(__file__).parent
    places = [
        f"{Path(frame.filename).relative_to(ours)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(ours)
    ]
    where = " > ".join(places[-PLACES_SHOWN:])
    return f"{type(error).__name__}: {sanitize(str(error))[:WORDS_SHOWN]} ({where})"


if __name__ == "__main__":
    main()
