"""What goes to standard output: masked, escaped, and as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import typer

from poller.core.escape import escape, escape_line
from poller.core.known_secrets import mask


def emit(what: object) -> None:
    """Lines, or a JSON document, to stdout: a dataclass is an object, an error its text."""
    if isinstance(what, list) and what and all(isinstance(line, str) for line in what):
        for line in what:
            say(escape_line(line))
    else:
        say(json.dumps(what, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> object:
    return str(value) if isinstance(value, Exception) else dataclasses.asdict(value)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """A text of which parts are others': it holds no secret of ours, and no terminal obeys it."""
    typer.echo(escape(mask(text)), err=err, nl=nl)


def write(text: bytes) -> None:
    """Whole lines of a log: to a file as they are, to a terminal so that it only shows them."""
    if sys.stdout.isatty():
        say(text.decode("utf-8", "replace"), nl=False)
    else:
        typer.echo(text, nl=False)
    sys.stdout.flush()


def former_line(sink: str, queued: int) -> str:
    """That something waits for a sink that the config does not have."""
    drop = f"`sei-poller retry --drop {sink}` forgets them"
    return f"{sink}: {queued} queued, but it is not in the config: {drop}"
